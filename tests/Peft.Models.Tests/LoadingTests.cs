using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

public sealed class LoadingTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peft").FullName;

    public void Dispose() => Directory.Delete(folder, true);

    private string Copy(string name, params (string Field, JsonNode? Value)[] changes)
    {
        foreach (var file in Directory.GetFiles(Reference.Folder(name))) File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), true);
        var config = ModelConfig.FromFolder(folder);
        foreach (var (field, value) in changes) config = config.With(field, value);
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToString());
        return folder;
    }

    [Fact]
    public void Parameters_have_the_names_and_numbers_of_the_checkpoint()
    {
        foreach (var name in GenerationTests.Bases)
        {
            using var model = CausalLM.FromPretrained(Reference.Folder(name));
            using var files = Peft.Checkpoints.ShardedCheckpoint.Open(Reference.Folder(name));
            model.named_parameters().Select(each => each.name).Where(each => !model.TiedParameters.Contains(each)).Order()
                .ShouldBe(files.Tensors.Keys.Order());
        }
    }

    [Fact]
    public void All_that_does_not_fit_is_told_at_once()
    {
        var error = Should.Throw<CheckpointMismatchException>(
            () => CausalLM.FromPretrained(Copy("llama", ("attention_bias", true), ("num_hidden_layers", 1), ("intermediate_size", 65))));
        error.Missing.ShouldContain("model.layers.0.self_attn.q_proj.bias");
        error.Unexpected.ShouldContain("model.layers.1.mlp.up_proj.weight");
        error.Mismatched.ShouldContain(each => each.Contains("model.layers.0.mlp.up_proj.weight") && each.Contains("[64, 32]") && each.Contains("[65, 32]"));
        error.Message.ShouldContain(folder);
    }

    [Theory]
    [InlineData("llama", "rope_scaling", """{"rope_type":"yarn","factor":2}""", "yarn")]
    [InlineData("llama", "hidden_act", "\"mish\"", "mish")]
    [InlineData("llama", "pretraining_tp", "2", "pretraining_tp")]
    [InlineData("llama", "model_type", "\"mamba\"", "mamba")]
    [InlineData("gpt2", "add_cross_attention", "true", "add_cross_attention")]
    [InlineData("opt", "do_layer_norm_before", "false", "do_layer_norm_before")]
    [InlineData("gemma3", "layer_types", """["chunked_attention","full_attention"]""", "layer_types")]
    public void What_is_not_implemented_is_refused(string name, string field, string value, string said)
    {
        var copy = Copy(name, ("rope_parameters", field == "rope_scaling" ? null : ModelConfig.FromFolder(Reference.Folder(name))["rope_parameters"]), (field, JsonNode.Parse(value)));
        Should.Throw<UnsupportedModelException>(() => CausalLM.FromPretrained(copy)).Message.ShouldContain(said);
    }

    [Fact]
    public void Both_spellings_of_rotary_settings_mean_the_same()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var old = Copy("llama3", ("rope_parameters", null), ("rope_theta", 10000.0),
            ("rope_scaling", JsonNode.Parse("""{"type":"llama3","factor":4.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":16}""")));
        using var model = CausalLM.FromPretrained(old);
        var values = Reference.Values("llama3");
        model.forward(new ModelInput { InputIds = values["input_ids"], AttentionMask = values["attention_mask"] })
            .Difference(values["base_logits"]).ShouldBeLessThan(1e-5);
    }

    [Fact]
    public void A_head_that_the_checkpoint_lacks_is_drawn_and_reported()
    {
        using var model = SequenceClassifier.FromPretrained(Reference.Folder("llama"), new LoadOptions { LabelCount = 5, Seed = 3 });
        model.InitializedParameters.ShouldBe(["score.weight"]);
        model.Head.Weight.shape.ShouldBe([5, 32]);
        model.Head.Weight.std().item<float>().ShouldBe(0.02f, 0.005);
    }

    [Fact]
    public void Missing_files_are_named()
    {
        Should.Throw<ModelFolderException>(() => CausalLM.FromPretrained("no/such/folder")).Message.ShouldContain("no/such/folder");
        Should.Throw<ModelFolderException>(() => CausalLM.FromPretrained(folder)).Message.ShouldContain("config.json");
        File.Copy(Path.Combine(Reference.Folder("llama"), "config.json"), Path.Combine(folder, "config.json"));
        Should.Throw<Peft.Checkpoints.CheckpointException>(() => CausalLM.FromPretrained(folder)).Message.ShouldContain("model.safetensors");
        File.WriteAllText(Path.Combine(folder, "config.json"), "[1]");
        Should.Throw<ModelFolderException>(() => CausalLM.FromPretrained(folder));
    }

    [Fact]
    public void A_seed_gives_the_same_random_model()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var config = ModelConfig.FromFolder(Reference.Folder("qwen3"));
        using var first = CausalLM.FromConfig(config, seed: 1);
        using var second = CausalLM.FromConfig(config, seed: 1);
        using var third = CausalLM.FromConfig(config, seed: 2);
        var ids = tensor(new long[,] { { 5, 6, 7 } });
        first.forward(ids).Difference(second.forward(ids)).ShouldBe(0);
        first.forward(ids).Difference(third.forward(ids)).ShouldBeGreaterThan(0);
    }

    [Fact]
    public void An_architecture_can_be_registered()
    {
        var registry = new ModelRegistry();
        registry.Register("my-llama", config => registry.Describe(config.With("model_type", "llama")));
        using var model = CausalLM.FromPretrained(Copy("llama", ("model_type", "my-llama")), new LoadOptions { Registry = registry });
        model.Spec.LayerCount.ShouldBe(2);
    }
}
