using System.Text.Json.Nodes;

namespace Peft.Models.Tests;

/// <summary>Fields of <c>adapter_config.json</c> without which Hugging Face PEFT reads no file, although they may be null here.</summary>
public sealed class SavedConfigTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory().FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Adalora_has_the_number_of_steps_of_its_training()
    {
        using var model = CausalLM.FromPretrained(Reference.Folder("llama"));
        using var peft = model.ApplyAdapter(new AdaLoraOptions { TargetModules = "all-linear", InitialRank = 4, TargetRank = 2, WarmupSteps = 2, FinalSteps = 1 });
        ((int)Saved(peft)["total_step"]!).ShouldBeGreaterThan(3);
        var ids = TorchSharp.torch.randint(1, 20, [2, 8], TorchSharp.torch.int64);
        new Trainer(peft, TrainingDataset.From(2, _ => new() { InputIds = ids.clone(), Labels = ids.clone() }), new() { MaxSteps = 7, BatchSize = 2 }).Train();
        ((int)Saved(peft)["total_step"]!).ShouldBe(7);
        ((AdaLoraOptions)AdapterConfig.Read(folder)).TotalSteps.ShouldBe(7);
    }

    [Fact]
    public void A_prompt_from_a_text_names_a_tokenizer()
    {
        var source = Path.Combine(AppContext.BaseDirectory, "Data", "models", "stories260K");
        using var model = CausalLM.FromPretrained(source);
        using var peft = model.ApplyAdapter(new PromptTuningOptions { VirtualTokens = 3, Initialization = PromptInitialization.Text, InitialText = "Once upon", Tokenizer = Tokenizer.FromPretrained(source) });
        ((string?)Saved(peft)["tokenizer_name_or_path"]).ShouldBe(model.NameOrPath);
        model.NameOrPath.ShouldNotBeNullOrEmpty();
    }

    // Kinds that weight whole updates applied the scaling twice.
    [Theory]
    [InlineData(Combination.Linear)]
    [InlineData(Combination.Cat)]
    [InlineData(Combination.Svd)]
    [InlineData(Combination.TiesSvd)]
    public void One_adapter_combined_is_itself_times_its_weight(Combination kind)
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        using var model = CausalLM.FromPretrained(Reference.Folder("llama"));
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, Alpha = 8, TargetModules = "all-linear" }, "one");
        using (TorchSharp.torch.no_grad())
            foreach (var trained in peft.Trainables) trained.Value.normal_(0, 0.1);
        peft.Combine("half", [("one", 0.5)], new() { Kind = kind, Density = 1 });
        foreach (var (one, half) in peft.Updates("one").Zip(peft.Updates("half"))) half.UpdateNorm!.Value.ShouldBe(0.5 * one.UpdateNorm!.Value, 1e-4 * one.UpdateNorm.Value, one.Path);
    }

    private JsonObject Saved(PeftModel peft)
    {
        peft.SaveAdapter(folder);
        return JsonNode.Parse(File.ReadAllText(Path.Combine(folder, AdapterConfig.FileName)))!.AsObject();
    }
}
