using System.Text.RegularExpressions;

namespace Peft.Notebooks.Tests;

/// <summary>The notebooks as they are in the repository.</summary>
public partial class FileTests
{
    public static TheoryData<string> Names => new(Notebook.All.Select(notebook => notebook.Name));

    [Theory]
    [MemberData(nameof(Names))]
    public void A_notebook_begins_with_its_packages_and_the_namespaces_it_needs(string name)
    {
        var cells = Notebook.Open(name).CodeCells.Select(Notebook.Source).ToList();
        cells[0].Split('\n').ShouldAllBe(line => line.StartsWith("#r \"nuget: ", StringComparison.Ordinal));
        cells[0].ShouldContain("#r \"nuget: Peft.");
        cells[0].ShouldContain("libtorch");
        // In the tests, all notebooks share a kernel: one must not live on the imports of another.
        var code = string.Join('\n', cells);
        code.ShouldContain("using Peft;");
        if (code.Contains("File.", StringComparison.Ordinal)) code.ShouldContain("using System.IO;");
        if (code.Contains("ToTabularDataResource", StringComparison.Ordinal)) code.ShouldContain("using Microsoft.DotNet.Interactive.Formatting.TabularData;");
        if (code.Contains("CausalLM", StringComparison.Ordinal)) code.ShouldContain("using Peft.Models;");
        if (code.Contains("QuantizationOptions", StringComparison.Ordinal)) code.ShouldContain("using Peft.Quantization;");
        if (code.Contains("no_grad", StringComparison.Ordinal) || code.Contains("linalg", StringComparison.Ordinal)) code.ShouldContain("using static TorchSharp.torch;");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_notebook_keeps_its_outputs_with_a_plot(string name)
    {
        var notebook = Notebook.Open(name);
        notebook.HasPlot.ShouldBeTrue();
        notebook.CodeCells.Skip(1).Count(cell => Notebook.Outputs(cell).Any()).ShouldBeGreaterThanOrEqualTo(3);
        Notebook.Outputs(notebook.CodeCells[^1]).ShouldNotBeEmpty();
        Notebook.Outputs(notebook.CodeCells[0]).ShouldBeEmpty();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_notebook_tells_nothing_of_the_machine_that_ran_it(string name)
    {
        var shown = string.Join('\n', Notebook.Open(name).CodeCells.SelectMany(Notebook.Outputs).Select(output => output.Value)).Replace("http://www.w3.org", "", StringComparison.Ordinal);
        Place().Matches(shown).Select(match => match.Value).ShouldBeEmpty();
        Regex.IsMatch(Picture().Replace(shown, ""), $@"\b{Regex.Escape(Environment.MachineName)}\b").ShouldBeFalse("the machine's name");
    }

    [Theory]
    [InlineData("at /home/somebody/peft")]
    [InlineData(@"in C:\Users")]
    [InlineData("http://10.0.0.1:2048")]
    [InlineData("listens on 192.168.0.7")]
    public void A_path_or_an_address_is_found(string text) => Place().IsMatch(text).ShouldBeTrue();

    [GeneratedRegex("base64,[A-Za-z0-9+/=]+")]
    private static partial Regex Picture();

    [GeneratedRegex(@"(?<![\w./<])/(?:home|root|tmp|usr|var|Users|work|mnt|opt)/\S*|\b[A-Za-z]:\\\w+|https?://\S+|\b(?:\d{1,3}\.){3}\d{1,3}\b")]
    private static partial Regex Place();
}
