using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

public sealed class LoadingTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string Copy(string name, params (string Field, JsonNode? Value)[] changes)
    {
        foreach (var file in Directory.GetFiles(Reference.Folder(name))) File.Copy(file, folder[Path.GetFileName(file)], true);
        var config = ModelConfig.FromFolder(folder);
        foreach (var (field, value) in changes) config = config.With(field, value);
        File.WriteAllText(folder["config.json"], config.ToString());
        return folder;
    }

    [Fact]
    public void Parameters_have_the_names_and_numbers_of_the_checkpoint()
    {
        foreach (var name in Directory.GetDirectories(Reference.Folder("")).Select(each => Path.GetFileName(each)!))
        {
            using var model = Reference.Load(name);
            using var files = Peft.Checkpoints.ShardedCheckpoint.Open(Reference.Folder(name));
            model.named_parameters().Select(each => model.KeyOf(each.name)).Where(each => !model.TiedParameters.Contains(each)).Order()
                .ShouldBe(files.Tensors.Keys.Where(key => key != "final_logits_bias").Order());   // a buffer of zeros
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
    [InlineData("llama", "rope_scaling", """{"rope_type":"proportional","factor":2}""", "proportional")]
    [InlineData("llama", "hidden_act", "\"xielu\"", "xielu")]
    [InlineData("llama", "pretraining_tp", "2", "pretraining_tp")]
    [InlineData("llama", "model_type", "\"mamba\"", "mamba")]
    [InlineData("gpt2", "add_cross_attention", "true", "add_cross_attention")]
    [InlineData("opt", "do_layer_norm_before", "false", "do_layer_norm_before")]
    [InlineData("bert-mlm", "position_embedding_type", "\"relative_key\"", "position_embedding_type")]
    [InlineData("bert-mlm", "is_decoder", "true", "is_decoder")]
    [InlineData("bert-mlm", "hidden_size", "33", "num_attention_heads")]
    [InlineData("t5", "feed_forward_proj", "\"gated-prelu\"", "prelu")]
    [InlineData("t5", "is_encoder_decoder", "false", "is_encoder_decoder")]
    [InlineData("gemma3", "layer_types", """["chunked_attention","full_attention"]""", "layer_types")]
    public void What_is_not_implemented_is_refused(string name, string field, string value, string said)
    {
        var copy = Copy(name, ("rope_parameters", field == "rope_scaling" ? null : ModelConfig.FromFolder(Reference.Folder(name))["rope_parameters"]), (field, JsonNode.Parse(value)));
        Should.Throw<UnsupportedModelException>(() => CausalLM.FromPretrained(copy)).Message.ShouldContain(said);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("gpt2")]
    public void A_pytorch_model_bin_gives_the_same_model(string name)
    {
        using var scope = NewDisposeScope();
        using (var file = Peft.Checkpoints.ShardedCheckpoint.Open(Copy(name)))
            TorchSave.Write(folder["pytorch_model.bin"], file.Tensors.Keys.ToDictionary(key => key, key => file.Read(key)));
        File.Delete(folder["model.safetensors"]);
        using var expected = CausalLM.FromPretrained(Reference.Folder(name));
        using var model = CausalLM.FromPretrained(folder);
        var state = model.state_dict();
        foreach (var (key, value) in expected.state_dict()) state[key].bytes.SequenceEqual(value.bytes).ShouldBeTrue(key);
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

    [Theory]
    [InlineData("bert-mlm", "MaskedLM")]
    [InlineData("t5", "Seq2SeqLM")]
    public void A_head_that_an_architecture_cannot_have_is_refused_with_the_one_that_it_has(string name, string instead)
        => Should.Throw<UnsupportedModelException>(() => CausalLM.FromPretrained(Reference.Folder(name))).Message.ShouldContain(instead);

    [Fact]
    public void A_new_set_of_labels_replaces_the_head_and_stands_in_the_configuration()
    {
        using var model = SequenceClassifier.FromPretrained(Reference.Folder("roberta-seqcls"), new LoadOptions { Id2Label = ["bad", "good"], Seed = 3 });
        model.InitializedParameters.ShouldBe(["classifier.out_proj.weight", "classifier.out_proj.bias"], ignoreOrder: true);
        model.Head.Weight.shape.ShouldBe([2, 32]);
        model.Head.Weight.std().item<float>().ShouldBe(0.02f, 0.005);
        model.Head.Bias!.abs().max().item<float>().ShouldBe(0);
        model.Config.Labels.ShouldBe(["bad", "good"]);
        model.Config["id2label"]!.ToJsonString().ShouldBe("""{"0":"bad","1":"good"}""");
        model.Config["label2id"]!.ToJsonString().ShouldBe("""{"bad":0,"good":1}""");
    }

    [Fact]
    public void Labels_of_the_same_number_keep_the_head()
    {
        using var model = SequenceClassifier.FromPretrained(Reference.Folder("bert-seqcls"), new LoadOptions { Id2Label = ["a", "b", "c"] });
        model.InitializedParameters.ShouldBeEmpty();
        model.Config.Labels.ShouldBe(["a", "b", "c"]);
        Should.Throw<ArgumentException>(() => SequenceClassifier.FromPretrained(Reference.Folder("bert-seqcls"), new LoadOptions { Id2Label = ["a", "a"] })).Message.ShouldContain("duplicate class");
        Should.Throw<ArgumentException>(() => SequenceClassifier.FromPretrained(Reference.Folder("bert-seqcls"), new LoadOptions { Id2Label = ["a"], LabelCount = 2 }));
    }

    [Fact]
    public void A_head_of_another_size_than_the_configuration_says_is_a_mismatch()
        => Should.Throw<CheckpointMismatchException>(() => TokenClassifier.FromPretrained(Copy("bert-tokcls", ("id2label", null), ("num_labels", 3))))
            .Mismatched.ShouldContain(each => each.Contains("classifier.weight"));

    [Fact]
    public void A_checkpoint_of_another_task_or_of_the_bare_model_serves_every_head()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var ids = tensor(new long[,] { { 5, 17, 40 } });
        using var expected = FeatureExtractor.FromPretrained(Reference.Folder("bert-mlm"));
        using var tokens = TokenClassifier.FromPretrained(Reference.Folder("bert-mlm"));
        tokens.InitializedParameters.ShouldBe(["classifier.weight", "classifier.bias"], ignoreOrder: true);

        Copy("bert-mlm");
        using (var files = Peft.Checkpoints.ShardedCheckpoint.Open(Reference.Folder("bert-mlm")))
            Peft.Checkpoints.SafetensorsWriter.Write(folder["model.safetensors"], files.Tensors.Keys.Where(key => key.StartsWith("bert.", StringComparison.Ordinal))
                // As the first published checkpoints of BERT have them.
                .ToDictionary(key => key["bert.".Length..].Replace("LayerNorm.weight", "LayerNorm.gamma", StringComparison.Ordinal).Replace("LayerNorm.bias", "LayerNorm.beta", StringComparison.Ordinal), key => files.Read(key)));
        using var bare = FeatureExtractor.FromPretrained(folder);
        bare.forward(ids).Difference(expected.forward(ids)).ShouldBe(0);
        bare.named_parameters().ShouldContain(each => each.name == "encoder.layer.0.attention.self.query.weight");
        using var filler = MaskedLM.FromPretrained(folder);
        filler.InitializedParameters.ShouldContain("cls.predictions.transform.dense.weight");
        filler.InitializedParameters.ShouldNotContain("cls.predictions.decoder.weight");
    }

    [Fact]
    public void Every_architecture_and_head_can_start_at_random()
    {
        foreach (var name in new[] { "bert-seqcls", "roberta-seqcls", "distilbert-seqcls", "t5", "t5-gated", "llama" })
        {
            using var scope = NewDisposeScope();
            using var grad = no_grad();
            var config = ModelConfig.FromFolder(Reference.Folder(name));
            var ids = tensor(new long[,] { { 5, 17, 40 } });
            PretrainedModel[] models = name.StartsWith("t5", StringComparison.Ordinal) ? [Seq2SeqLM.FromConfig(config)]
                : [SequenceClassifier.FromConfig(config), TokenClassifier.FromConfig(config), FeatureExtractor.FromConfig(config),
                    .. name == "llama" ? [CausalLM.FromConfig(config)] : (PretrainedModel[])[MaskedLM.FromConfig(config), QuestionAnswerer.FromConfig(config)]];
            foreach (var model in models)
            {
                model.forward(new ModelInput { InputIds = ids, DecoderInputIds = model is Seq2SeqLM ? ids : null }).isfinite().all().item<bool>().ShouldBeTrue($"{name} {model.GetType().Name}");
                model.Dispose();
            }
        }
    }

    [Fact]
    public void Missing_files_are_named()
    {
        Should.Throw<ModelFolderException>(() => CausalLM.FromPretrained("no/such/folder")).Message.ShouldContain("no/such/folder");
        Should.Throw<ModelFolderException>(() => CausalLM.FromPretrained(folder)).Message.ShouldContain("config.json");
        File.Copy(Path.Combine(Reference.Folder("llama"), "config.json"), folder["config.json"]);
        Should.Throw<Peft.Checkpoints.CheckpointException>(() => CausalLM.FromPretrained(folder)).Message.ShouldContain("model.safetensors");
        File.WriteAllText(folder["config.json"], "[1]");
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
