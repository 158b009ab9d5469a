using System.Text.RegularExpressions;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

/// <summary>The table of docs/methods.md says what the methods do. With PEFT_UPDATE_DOCS=1 in the environment the test writes it anew.</summary>
public sealed partial class MethodsPageTests : BehaviourTests
{
    [Fact]
    public void The_page_of_methods_lists_every_registered_one_as_it_is()
    {
        var table = MethodTable.Write();
        if (Environment.GetEnvironmentVariable("PEFT_UPDATE_DOCS") == "1")
        {
            var source = Source();
            File.WriteAllText(source, Table().Replace(File.ReadAllText(source), match => match.Groups["start"].Value + table + match.Groups["end"].Value));
            return;
        }
        var page = Table().Match(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "docs", "methods.md")).ReplaceLineEndings("\n"));
        page.Groups["table"].Value.ShouldBe(table, "docs/methods.md is out of date: run this test with PEFT_UPDATE_DOCS=1.");
    }

    [Theory, MemberData(nameof(EveryMethod))]
    public void A_model_of_shapes_alone_tells_how_many_parameters_a_method_has(string method)
    {
        using var model = SmallModel.Create();
        using var shapes = SmallModel.Create(device: new Device(DeviceType.META));
        var expected = ParameterCounts.Of(model, Sample.Of(method).Options);
        expected.ShouldBeGreaterThan(0);
        ParameterCounts.Of(shapes, Sample.Of(method).Options).ShouldBe(expected);
    }

    private static string Source()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Peft.sln"))) folder = folder.Parent ?? throw new DirectoryNotFoundException("The repository is not above the tests.");
        return Path.Combine(folder.FullName, "docs", "methods.md");
    }

    [GeneratedRegex(@"(?<start><!-- table: methods -->\n)(?<table>.*?)(?<end><!-- end -->)", RegexOptions.Singleline)]
    private static partial Regex Table();
}
