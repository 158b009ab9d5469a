using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Lifecycle;

/// <summary>An adapter that was trained on a base model of another name: a warning that names both, and the adapter is used.</summary>
public sealed class BaseModelNameTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("meta/llama-8b", "/models/llama-8b-instruct")]
    [InlineData("owner/a", "/cache/hub/models--owner--b/snapshots/0123")]
    [InlineData("C:\\models\\a", "a/b")]
    public void Another_name_is_logged_and_listed_with_both_names_and_the_remedy(string trained, string used)
    {
        Save(trained);
        using var model = new Named(used);
        var logger = new ListLogger();
        using var peft = model.ApplyAdapter(folder, logger: logger);
        var warning = peft.Find("default").Warnings.ShouldHaveSingleItem();
        warning.ShouldContain($"'{trained}'");
        warning.ShouldContain($"'{used}'");
        warning.ShouldContain("base_model_name_or_path");
        logger.Lines.ShouldBe([$"Warning: {warning}"]);
        peft.Active.ShouldBe(["default"]);

        // In memory too, where no logger is at hand.
        peft.Add("other", new LoraOptions { TargetModules = ["layer"], BaseModelNameOrPath = trained });
        peft.Find("other").Warnings.ShouldHaveSingleItem().ShouldContain("'other'");
    }

    [Theory]
    [InlineData("meta/Llama-8B", "/models/llama-8b/")]
    [InlineData("owner/b", "/cache/hub/models--owner--b/snapshots/0123")]
    [InlineData("C:\\models\\a", "/home/me/a")]
    [InlineData("a", null)]
    [InlineData(null, "a")]
    [InlineData("", "a")]
    public void The_same_last_part_or_an_unknown_name_gives_no_warning(string? trained, string? used)
    {
        Save(trained);
        using var model = new Named(used);
        var logger = new ListLogger();
        using var peft = model.ApplyAdapter(folder, logger: logger);
        peft.Find("default").Warnings.ShouldBeEmpty();
        logger.Lines.ShouldBeEmpty();
    }

    [Fact]
    public void The_current_folder_stands_for_its_name()
    {
        Save(Path.GetFileName(Directory.GetCurrentDirectory()));
        using var model = new Named(".");
        using var peft = model.ApplyAdapter(folder);
        peft.Find("default").Warnings.ShouldBeEmpty();
    }

    private void Save(string? trained)
    {
        using var model = new Named(null);
        using var peft = model.ApplyAdapter(new LoraOptions { TargetModules = ["layer"], BaseModelNameOrPath = trained });
        peft.SaveAdapter(folder);
    }

    private sealed class Named : nn.Module<Tensor, Tensor>, IPretrainedModel
    {
        private readonly TorchSharp.Modules.Linear layer = nn.Linear(4, 4);

        public Named(string? nameOrPath) : base(nameof(Named))
        {
            NameOrPath = nameOrPath;
            RegisterComponents();
        }

        public string ModelType => "named";

        public string? TaskType => null;

        public string? NameOrPath { get; }

        public nn.Module InputEmbeddings => layer;

        public nn.Module? Head => null;

        public override Tensor forward(Tensor input) => layer.call(input);
    }
}
