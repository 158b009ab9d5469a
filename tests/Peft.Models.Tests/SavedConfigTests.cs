using System.Text.Json.Nodes;

namespace Peft.Models.Tests;

/// <summary>Fields of <c>adapter_config.json</c> without which Hugging Face PEFT reads no file, although they may be null here.</summary>
public sealed class SavedConfigTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    // An adapter that was saved before its training prunes at the same steps as one that was not.
    [Theory, InlineData(false), InlineData(true)]
    public void Adalora_has_the_number_of_steps_of_its_training(bool isLoaded)
    {
        using var model = CausalLM.FromPretrained(Reference.Folder("llama"));
        var options = new AdaLoraOptions { TargetModules = "all-linear", InitialRank = 4, TargetRank = 2, WarmupSteps = 2, FinalSteps = 1 };
        using (var first = model.ApplyAdapter(options)) ((int)Saved(first)["total_step"]!).ShouldBe(int.MaxValue);
        using var peft = isLoaded ? model.ApplyAdapter(folder, trainable: true) : model.ApplyAdapter(options);
        Train(peft, 3);   // too few steps for the schedule
        Train(peft, 7);
        ((int)Saved(peft)["total_step"]!).ShouldBe(7);
        var saved = (AdaLoraOptions)AdapterConfig.Read(folder);
        saved.TotalSteps.ShouldBe(7);
        saved.RankPattern!.Values.Sum(kept => kept.Count(each => each)).ShouldBe(2 * saved.RankPattern.Count);

        static void Train(PeftModel peft, int steps)
        {
            var ids = TorchSharp.torch.randint(1, 20, [2, 8], TorchSharp.torch.int64);
            void Run() => new Trainer(peft, TrainingDataset.From(2, _ => new() { InputIds = ids.clone(), Labels = ids.clone() }), new() { MaxSteps = steps, BatchSize = 2 }).Train();
            if (steps <= 3) Should.Throw<AdapterOptionsException>(Run).Message.ShouldContain("fewer than the 3 steps");
            else Run();
        }
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

    // The best approximation of a lower rank has the largest singular values.
    [Fact]
    public void One_adapter_combined_with_a_rank_is_its_truncation()
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        using var model = CausalLM.FromPretrained(Reference.Folder("llama"));
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, Alpha = 8, TargetModules = "all-linear" }, "one");
        using (TorchSharp.torch.no_grad())
            foreach (var trained in peft.Trainables) trained.Value.normal_(0, 0.1);
        peft.Combine("half", [("one", 0.5)], new() { Kind = Combination.Svd, Rank = 2 });
        foreach (var (one, half) in peft.Updates("one", singularValues: true).Zip(peft.Updates("half", singularValues: true)))
        {
            half.SingularValues!.Count.ShouldBe(2);
            for (var i = 0; i < 2; i++) half.SingularValues[i].ShouldBe(0.5 * one.SingularValues![i], 1e-4 * one.SingularValues[i], one.Path);
        }
    }

    private JsonObject Saved(PeftModel peft)
    {
        peft.SaveAdapter(folder);
        return JsonNode.Parse(File.ReadAllText(Path.Combine(folder, AdapterConfig.FileName)))!.AsObject();
    }
}
