using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

public sealed class AutoPeftModelTests : IDisposable
{
    private static readonly ModelConfig Config = ModelConfig.Parse("""
        { "model_type": "llama", "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 32, "initializer_range": 0.2 }
        """);

    private readonly TemporaryFolder root = new();

    private string At(params string[] parts) => Path.Combine([root, .. parts]);

    public void Dispose() => root.Dispose();

    [Fact]
    public void An_adapters_folder_is_enough()
    {
        var expected = Save(At("base"), At("adapter"), At("base"));
        using var auto = AutoPeftModel.ForCausalLM(At("adapter"));
        Logits(auto.Model).ShouldBe(expected);
        auto.Peft.Trainables.ShouldBeEmpty();
        auto.Peft.Find("default").Warnings.ShouldBeEmpty();
        using var further = AutoPeftModel.ForCausalLM(At("adapter"), trainable: true);
        further.Peft.Trainables.ShouldNotBeEmpty();
    }

    [Fact]
    public void The_base_may_be_named_relative_to_the_adapter()
    {
        var expected = Save(At("base"), At("adapters", "one"), Path.Combine("..", "..", "base"));
        using var auto = AutoPeftModel.ForCausalLM(At("adapters", "one"));
        Logits(auto.Model).ShouldBe(expected);
    }

    [Fact]
    public void Disposing_disposes_both()
    {
        Save(At("base"), At("adapter"), At("base"));
        var auto = AutoPeftModel.ForCausalLM(At("adapter"));
        var weight = auto.Model.InputEmbeddings.Weight;
        auto.Dispose();
        weight.IsInvalid.ShouldBeTrue();
        PeftModel.Of(auto.Model).ShouldBeNull();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("  ")]
    public void An_adapter_that_names_no_base_is_refused(string? name)
    {
        Save(At("base"), At("adapter"), name);
        Should.Throw<ModelFolderException>(() => AutoPeftModel.ForCausalLM(At("adapter"))).Message.ShouldContain("names no base model (base_model_name_or_path)");
    }

    [Theory]
    [InlineData("/no/such/folder")]
    [InlineData("../gone/base")]
    public void A_base_that_is_not_there_is_named_with_the_places_that_were_looked_at(string name)
    {
        Save(At("base"), At("adapter"), name);
        var message = Should.Throw<ModelFolderException>(() => AutoPeftModel.ForCausalLM(At("adapter"))).Message;
        message.ShouldContain($"'{name}'");
        message.ShouldContain(Path.GetFullPath(Path.Combine(At("adapter"), name)));
    }

    [Fact]
    public void A_base_on_the_hub_is_asked_for_there()
    {
        Save(At("base"), At("adapter"), "org/base");
        Should.Throw<HubException>(() => AutoPeftModel.ForCausalLM(At("adapter"), new LoadOptions { Hub = new() { Offline = true, CacheFolder = At("cache") } })).Message.ShouldContain("org/base");
    }

    [Fact]
    public void Another_task_is_refused()
    {
        Save(At("base"), At("adapter"), At("base"));
        Should.Throw<AdapterMismatchException>(() => AutoPeftModel.ForSequenceClassification(At("adapter"))).Message.ShouldContain("CAUSAL_LM");
        Should.Throw<AdapterMismatchException>(() => AutoPeftModel.ForFeatureExtraction(At("adapter"))).Message.ShouldContain("CAUSAL_LM");
    }

    [Fact]
    public void A_folder_without_an_adapter_is_refused()
        => Should.Throw<Checkpoints.CheckpointException>(() => AutoPeftModel.ForCausalLM(At("nothing"))).Message.ShouldContain("adapter_config.json");

    [Fact]
    public void A_classifier_comes_with_its_classes()
    {
        Save(At("base"), At("unused"), At("base"));
        using (var model = SequenceClassifier.FromPretrained(At("base"), new LoadOptions { LabelCount = 3 }))
        using (var peft = model.ApplyLora())
            peft.SaveAdapter(At("classifier"));
        using var auto = AutoPeftModel.ForSequenceClassification(At("classifier"), new LoadOptions { LabelCount = 3 });
        auto.Model.Head.Weight.shape[0].ShouldBe(3);
        Should.Throw<AdapterMismatchException>(() => AutoPeftModel.ForSequenceClassification(At("classifier"), new LoadOptions { LabelCount = 4 })).Message.ShouldContain("3 classes");
    }

    private static double[] Save(string baseFolder, string adapterFolder, string? name)
    {
        using var model = CausalLM.FromConfig(Config, seed: 3);
        model.SavePretrained(baseFolder);
        using var peft = model.ApplyAdapter(new LoraOptions { Initialization = LoraInitialization.Random });
        peft.SaveAdapter(adapterFolder);
        var options = AdapterConfig.Read(adapterFolder) with { BaseModelNameOrPath = name };
        File.WriteAllText(Path.Combine(adapterFolder, AdapterConfig.FileName), AdapterConfig.Write(options));
        return Logits(model);
    }

    private static double[] Logits(CausalLM model)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return [.. model.call(tensor(new long[,] { { 1, 5, 9 } })).to_type(ScalarType.Float64).data<double>()];
    }
}
