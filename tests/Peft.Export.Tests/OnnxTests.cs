using System.Text.Json.Nodes;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Export.Tests;

/// <summary>What is written as ONNX, run by ONNX Runtime.</summary>
public sealed class OnnxTests : IDisposable
{
    private static readonly string Stories = Path.Combine(AppContext.BaseDirectory, "Data", "models", "stories260K");
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string, string> Decoders => new()
    {
        { "llama", """{"attention_bias": true}""" },
        { "llama", """{"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}}""" },
        { "llama", """{"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}}""" },
        { "mistral", """{"sliding_window": 4}""" },
        { "qwen2", "{}" },
        { "qwen3", """{"head_dim": 12}""" },
        { "phi3", """{"pad_token_id": 0}""" },
        { "gemma", """{"head_dim": 16}""" },
        { "gemma2", """{"head_dim": 16, "query_pre_attn_scalar": 20, "sliding_window": 4}""" },
        { "gemma3_text", """{"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 4}""" },
        { "gpt2", """{"n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 128, "scale_attn_by_inverse_layer_idx": true}""" },
        { "gpt_neox", """{"rotary_pct": 0.5, "use_parallel_residual": false}""" },
        { "gpt_neox", """{"rotary_pct": 0.25}""" },
        { "gpt_neox", """{"rotary_pct": 0.3125}""" },
        { "opt", """{"ffn_dim": 96, "word_embed_proj_dim": 64}""" },
        { "arcee", """{"mlp_bias": true}""" },
        { "seed_oss", """{"head_dim": 12, "attention_out_bias": true}""" },
        { "ministral", """{"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}""" },
        { "starcoder2", """{"sliding_window": 4}""" },
        { "granite", """{"embedding_multiplier": 3.0, "attention_multiplier": 0.2, "logits_scaling": 2.0}""" },
        { "gpt_bigcode", """{"n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 128, "multi_query": true}""" },
        { "gpt_bigcode", """{"n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 128, "multi_query": false}""" },
        { "gpt_neo", """{"num_heads": 4, "num_layers": 2, "window_size": 4}""" },
        { "stablelm", """{"use_qkv_bias": true, "partial_rotary_factor": 0.5}""" },
    };

    public static TheoryData<string> Unwritten => ["olmo2", "granite", "smollm3", "exaone4", "cohere", "glm", "phi", "gptj", "ernie4_5", "nemotron", "hunyuan_v1_dense", "falcon", "bloom", "mpt"];

    // Their graphs would compute something else.
    [Theory, MemberData(nameof(Unwritten))]
    public void An_architecture_with_parts_that_graphs_do_not_have_is_refused(string type)
    {
        var config = Config(type, """{"head_dim": 16, "n_embd": 64, "n_head": 4, "n_layer": 2, "d_model": 64, "n_heads": 4, "n_layers": 2, "rotary_dim": 8, "residual_multiplier": 0.5, "partial_rotary_factor": 0.5}""");
        using var model = CausalLM.FromConfig(config, seed: 3);
        Should.Throw<ExportException>(() => model.SaveOnnx(folder["model.onnx"])).Message.ShouldContain($"'{type}' is not written to ONNX graphs");
        File.Exists(folder["model.onnx"]).ShouldBeFalse();
        model.CheckExport(ExportTarget.Onnx).ShouldNotBeEmpty();
    }

    public static TheoryData<string, string> Encoders => new()
    {
        { "bert", """{"type_vocab_size": 2}""" },
        { "roberta", """{"type_vocab_size": 1, "pad_token_id": 1}""" },
        { "distilbert", """{"dim": 64, "n_heads": 4, "n_layers": 2, "hidden_dim": 96}""" },
    };

    internal static ModelConfig Config(string type, string fields)
    {
        var config = new JsonObject
        {
            ["model_type"] = type, ["vocab_size"] = 100, ["hidden_size"] = 64, ["intermediate_size"] = 96, ["num_hidden_layers"] = 2, ["num_attention_heads"] = 4,
            ["max_position_embeddings"] = 128, ["initializer_range"] = 0.1, ["num_labels"] = 3,
        };
        if (type is not ("bert" or "roberta" or "opt" or "gpt2" or "gpt_neox" or "gpt_bigcode" or "gpt_neo")) config["num_key_value_heads"] = 2;
        foreach (var (name, value) in JsonNode.Parse(fields)!.AsObject()) config[name] = value?.DeepClone();
        return ModelConfig.Parse(config.ToJsonString(), type);
    }

    [Theory, MemberData(nameof(Decoders))]
    public void A_decoder_computes_the_same_with_and_without_adapters(string type, string fields)
    {
        using var model = CausalLM.FromConfig(Config(type, fields), seed: 3);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 3, Alpha = 6, TargetModules = model.Spec.TiedHead ? ModuleSelector.AllLinear : ".*(proj|query_key_value|dense.*|embed_tokens|embed_in|lm_head|embed_out|fc1|fc2)" });
        peft.Shake(0.1, seed: 5);
        ShouldComputeTheSame(peft, model);
    }

    [Theory, MemberData(nameof(Decoders))]
    public void A_decoder_continues_from_the_keys_and_values_that_it_returned(string type, string fields)
    {
        using var model = CausalLM.FromConfig(Config(type, fields), seed: 3);
        model.eval();
        model.SaveOnnx(folder["model.onnx"]);
        using var runtime = new OnnxRuntime(folder["model.onnx"], model);
        var (ids, mask) = Batches().Last();
        var whole = runtime.Run(ids, mask, null);
        var steps = runtime.RunInSteps(ids, mask, [3, 1, 2]);
        steps.ShouldBeNear(whole, mask);
    }

    [Theory, MemberData(nameof(Encoders))]
    public void An_encoder_and_its_heads_compute_the_same(string type, string fields)
    {
        var config = Config(type, fields);
        using var features = FeatureExtractor.FromConfig(config, seed: 1);
        using var classifier = SequenceClassifier.FromConfig(config, seed: 2);
        using var pooled = SequenceClassifier.FromConfig(config, seed: 2, new() { Pooling = Pooling.Mean });
        using var tagger = TokenClassifier.FromConfig(config, seed: 3);
        using var answerer = QuestionAnswerer.FromConfig(config, seed: 4);
        using var masked = MaskedLM.FromConfig(config, seed: 5);
        using var untied = MaskedLM.FromConfig(config.With("tie_word_embeddings", false), seed: 6);
        foreach (var model in new PretrainedModel[] { features, classifier, pooled, tagger, answerer, masked, untied })
        {
            using var peft = model.ApplyAdapter(new LoraOptions { Rank = 3, TargetModules = ".*(query|q_lin|lin1|intermediate.dense|transform.dense|vocab_transform|lm_head.dense|qa_outputs)" });
            peft.Shake(0.1, seed: 5);
            model.eval();
            peft.SaveOnnx(folder["model.onnx"]);
            peft.SaveOnnxAdapter(folder["a.onnx_adapter"]);
            using var runtime = new OnnxRuntime(folder["model.onnx"], model);
            foreach (var (ids, mask) in Batches())
            {
                runtime.Run(ids, mask, folder["a.onnx_adapter"]).ShouldBeNear(Values(model, ids, mask), mask);
                if (model != features) continue;
                using var scope = NewDisposeScope();
                using var gradients = no_grad();
                runtime.Output("sentence_embedding", ids, mask, folder["a.onnx_adapter"]).ShouldBeNear(features.Embed(new() { InputIds = ids, AttentionMask = mask }), mask);
            }
        }
    }

    [Theory]
    [InlineData("gemma", """{"head_dim": 16}""", "norm")]
    [InlineData("llama", """{"tie_word_embeddings": true}""", "lm_head")]
    [InlineData("llama", """{"tie_word_embeddings": true}""", "embed_tokens")]
    [InlineData("llama", "{}", "embed_tokens")]
    [InlineData("gpt2", """{"n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 128}""", "c_fc")]
    [InlineData("gpt2", """{"n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 128}""", "ln_f")]
    public void Modules_that_are_trained_whole_are_inputs_too(string type, string fields, string whole)
    {
        using var model = CausalLM.FromConfig(Config(type, fields), seed: 3);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 3, ModulesToSave = [whole] });
        peft.Shake(0.1, seed: 5);
        model.eval();
        peft.SaveOnnx(folder["model.onnx"]);
        peft.SaveOnnxAdapter(folder["a.onnx_adapter"]);
        using var runtime = new OnnxRuntime(folder["model.onnx"], model);
        var (ids, mask) = Batches().First();
        runtime.Run(ids, mask, folder["a.onnx_adapter"]).ShouldBeNear(Values(model, ids, mask), mask);
        using (peft.WithoutAdapters()) runtime.Run(ids, mask, null).ShouldBeNear(Values(model, ids, mask), mask);
    }

    [Theory]
    [InlineData("LoRA")]
    [InlineData("whole")]
    public void Tied_weights_that_are_adapted_together_are_inputs_of_both_modules(string kind)
    {
        using var model = CausalLM.FromConfig(Config("llama", """{"tie_word_embeddings": true}"""), seed: 3);
        using var peft = model.ApplyAdapter(kind == "LoRA" ? new LoraOptions { Rank = 3, EnsureWeightTying = true, TargetModules = ModuleSelector.Create(["embed_tokens", "lm_head", "q_proj"]) } : new LoraOptions { Rank = 3, EnsureWeightTying = true, ModulesToSave = ["embed_tokens"] });
        peft.Shake(0.1, seed: 5);
        ShouldComputeTheSame(peft, model);
    }

    [Theory, MemberData(nameof(Activations))]
    public void Every_activation_is_the_same(string activation)
    {
        using var model = FeatureExtractor.FromConfig(Config("bert", "{}").With("hidden_act", activation), seed: 1);
        model.eval();
        model.SaveOnnx(folder["model.onnx"]);
        using var runtime = new OnnxRuntime(folder["model.onnx"], model);
        var (ids, mask) = Batches().First();
        runtime.Run(ids, mask, null).ShouldBeNear(Values(model, ids, mask), mask);
    }

    public static TheoryData<string> Activations => new("silu", "relu", "relu2", "relu6", "leaky_relu", "linear", "tanh", "sigmoid", "mish", "hardswish", "laplace", "sqrtsoftplus", "quick_gelu", "gelu", "gelu_new", "gelu_10");

    [Theory]
    [InlineData("llama", """{"max_position_embeddings": 8, "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}""")]
    [InlineData("llama", """{"max_position_embeddings": 4, "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}""")]
    [InlineData("phi3", """{"pad_token_id": 0, "original_max_position_embeddings": 6, "rope_scaling": {"type": "longrope", "short_factor": [1, 1.5, 1, 1, 2, 1, 1, 1], "long_factor": [4, 4, 4, 5, 6, 7, 8, 9]}}""")]
    [InlineData("phi3", """{"pad_token_id": 0, "original_max_position_embeddings": 3, "rope_scaling": {"type": "longrope", "short_factor": [1, 1.5, 1, 1, 2, 1, 1, 1], "long_factor": [4, 4, 4, 5, 6, 7, 8, 9]}}""")]
    public void Rotary_frequencies_follow_the_length_of_the_text(string type, string fields)
    {
        using var model = CausalLM.FromConfig(Config(type, fields), seed: 3);
        model.eval();
        model.SaveOnnx(folder["model.onnx"]);
        using var runtime = new OnnxRuntime(folder["model.onnx"], model);
        foreach (var (ids, mask) in Batches()) runtime.Run(ids, mask, null).ShouldBeNear(Values(model, ids, mask), mask);
    }

    // Rounding to 11 bits some 20 times a layer, of values as large as the largest logit.
    private static double HalfTolerance(PretrainedModel model, Tensor expected) => 20 * model.Spec.LayerCount * Math.Pow(2, -11) * expected.abs().max().item<float>();

    [Theory]
    [InlineData("llama", "{}")]
    [InlineData("gemma2", """{"head_dim": 16, "query_pre_attn_scalar": 20, "sliding_window": 4}""")]
    [InlineData("gpt2", """{"n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 128}""")]
    [InlineData("bert", """{"type_vocab_size": 2}""")]
    public void Float16_computes_the_same_up_to_its_precision(string type, string fields)
    {
        using PretrainedModel model = type == "bert" ? MaskedLM.FromConfig(Config(type, fields), seed: 3) : CausalLM.FromConfig(Config(type, fields), seed: 3);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 3, Alpha = 6, TargetModules = ModuleSelector.AllLinear });
        peft.Shake(0.1, seed: 5);
        model.eval();
        var half = new ExportOptions { Dtype = ScalarType.Float16 };
        peft.SaveOnnx(folder["single.onnx"]);
        peft.SaveOnnx(folder["model.onnx"], options: half);
        peft.SaveOnnxAdapter(folder["a.onnx_adapter"], options: half);
        ((double)new FileInfo(folder["model.onnx"]).Length / new FileInfo(folder["single.onnx"]).Length).ShouldBeLessThan(0.7);
        using var runtime = new OnnxRuntime(folder["model.onnx"], model);
        runtime.Type.ShouldBe(Microsoft.ML.OnnxRuntime.Tensors.TensorElementType.Float16);
        foreach (var (ids, mask) in Batches())
        {
            var adapted = Values(model, ids, mask);
            runtime.Run(ids, mask, folder["a.onnx_adapter"]).Largest(adapted, mask).ShouldBeLessThan(HalfTolerance(model, adapted));
            using (peft.WithoutAdapters())
            {
                var original = Values(model, ids, mask);
                original.Largest(adapted, mask).ShouldBeGreaterThan(HalfTolerance(model, adapted), "the adapter must show");
                runtime.Run(ids, mask, null).Largest(original, mask).ShouldBeLessThan(HalfTolerance(model, original));
            }
        }
        if (model is not CausalLM) return;
        var (all, real) = Batches().Last();
        runtime.RunInSteps(all, real, [3, 1, 2]).Largest(runtime.Run(all, real, null), real).ShouldBeLessThan(HalfTolerance(model, Values(model, all, real)));
    }

    [Fact]
    public void Weights_beyond_float16_are_refused()
    {
        using var model = CausalLM.FromConfig(Config("llama", "{}"), seed: 3);
        using (no_grad()) model.Head.Weight.select(0, 0).fill_(7e4f);
        Should.Throw<ExportException>(() => model.SaveOnnx(folder["m.onnx"], options: new() { Dtype = ScalarType.Float16 })).Message.ShouldContain("lm_head has values beyond");
        folder.FileNames.ShouldBeEmpty();
    }

    [Fact]
    public void A_decoder_classifies_by_its_last_token()
    {
        using var model = SequenceClassifier.FromConfig(Config("llama", """{"pad_token_id": 0}"""), seed: 2);
        model.eval();
        model.SaveOnnx(folder["model.onnx"]);
        using var runtime = new OnnxRuntime(folder["model.onnx"], model);
        using var ids = tensor(new long[,] { { 5, 9, 3, 0, 0 }, { 7, 2, 8, 4, 6 } });
        using var mask = tensor(new long[,] { { 1, 1, 1, 0, 0 }, { 1, 1, 1, 1, 1 } });
        runtime.Run(ids, mask, null).ShouldBeNear(Values(model, ids, mask), mask);
    }

    [Fact]
    public void The_bundled_model_merged_has_weights_beside_it_when_they_are_large()
    {
        using var model = CausalLM.FromPretrained(Stories);
        var peft = model.ApplyAdapter(new LoraOptions { UseDora = true });
        peft.Shake(0.1, seed: 5);
        Should.Throw<AdaptersAttachedException>(() => model.SaveOnnx(folder["model.onnx"]));
        Should.Throw<ExportException>(() => peft.SaveOnnx(folder["model.onnx"])).Message.ShouldContain("Merge the adapter");
        peft.MergeAndUnload();
        model.SaveOnnx(folder["model.onnx"], maxBytes: 100_000);
        folder.FileNames.ShouldBe(["model.onnx", "model.onnx.data"]);
        new FileInfo(folder["model.onnx"]).Length.ShouldBeLessThan(200_000);
        using var runtime = new OnnxRuntime(folder["model.onnx"], model);
        using var ids = tensor(new long[,] { { 1, 403, 407, 261, 378 } });
        using var mask = ones_like(ids);
        runtime.Run(ids, mask, null).ShouldBeNear(Values(model, ids, mask), mask);
    }

    [Fact]
    public void Merged_adapters_are_not_exported_a_second_time()
    {
        using var model = CausalLM.FromPretrained(Stories);
        using var peft = model.ApplyLora();
        peft.Merge();
        Should.Throw<ExportException>(() => peft.SaveOnnx(folder["m.onnx"])).Message.ShouldContain("would be applied twice");
        peft.Unmerge();
        peft.SaveOnnx(folder["m.onnx"]);
    }

    [Fact]
    public void Every_method_of_low_rank_updates_is_an_adapter_for_the_same_graph()
    {
        using var model = CausalLM.FromPretrained(Stories);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, TargetModules = ModuleSelector.Create(["q_proj", "v_proj"]) });
        peft.Add("vera", new VeraOptions { Rank = 16, TargetModules = ModuleSelector.Create(["q_proj"]) });
        peft.Add("rs", new LoraOptions { Rank = 2, UseRslora = true, TargetModules = ModuleSelector.Create(["v_proj"]) });
        peft.SaveOnnx(folder["model.onnx"]);
        using var runtime = new OnnxRuntime(folder["model.onnx"], model);
        using var ids = tensor(new long[,] { { 1, 403, 407, 261, 378 } });
        using var mask = ones_like(ids);
        foreach (var name in peft.Adapters.Keys)
        {
            peft.Activate(name);
            peft.Shake(0.1, seed: 5);
            peft.SaveOnnxAdapter(folder["a.onnx_adapter"], name);
            runtime.Run(ids, mask, folder["a.onnx_adapter"]).ShouldBeNear(Values(model, ids, mask), mask);
        }
    }

    [Fact]
    public void What_is_not_exported_is_refused()
    {
        using var prefix = CausalLM.FromPretrained(Stories);
        using var peft = prefix.ApplyAdapter(new PrefixTuningOptions { VirtualTokens = 4 });
        Should.Throw<ExportException>(() => peft.SaveOnnx(folder["m.onnx"])).Message.ShouldContain("virtual tokens");
        Should.Throw<ExportException>(() => peft.SaveOnnxAdapter(folder["a.onnx_adapter"])).Message.ShouldContain("virtual tokens");
        using var pair = Seq2SeqLM.FromConfig(Config("t5", "{}"));
        Should.Throw<ExportException>(() => pair.SaveOnnx(folder["m"], options: new() { Dtype = ScalarType.Float16 })).Message.ShouldContain("export it in float32");
        Should.Throw<ArgumentOutOfRangeException>(() => pair.SaveOnnx(folder["m"], options: new() { Dtype = ScalarType.BFloat16 })).Message.ShouldContain("float32 or float16");
        folder.FileNames.ShouldBeEmpty();
    }

    // Without padding, and with padding on either side.
    private static IEnumerable<(Tensor Ids, Tensor Mask)> Batches()
    {
        using var generator = new Generator(9);
        var ids = randint(5, 100, [2, 6], generator: generator, dtype: ScalarType.Int64);
        yield return (ids, ones_like(ids));
        yield return (ids, tensor(new long[,] { { 1, 1, 1, 1, 0, 0 }, { 1, 1, 1, 1, 1, 1 } }));
        yield return (ids, tensor(new long[,] { { 0, 0, 1, 1, 1, 1 }, { 1, 1, 1, 1, 1, 1 } }));
    }

    private void ShouldComputeTheSame(PeftModel peft, PretrainedModel model)
    {
        model.eval();
        peft.SaveOnnx(folder["model.onnx"]);
        peft.SaveOnnxAdapter(folder["a.onnx_adapter"]);
        using var runtime = new OnnxRuntime(folder["model.onnx"], model);
        foreach (var (ids, mask) in Batches())
        {
            var adapted = Values(model, ids, mask);
            runtime.Run(ids, mask, folder["a.onnx_adapter"]).ShouldBeNear(adapted, mask);
            using (peft.WithoutAdapters())
            {
                var original = Values(model, ids, mask);
                original.Largest(adapted, mask).ShouldBeGreaterThan(0.05, "the adapter must show");
                runtime.Run(ids, mask, adapter: null).ShouldBeNear(original, mask);
            }
        }
    }

    private static Tensor Values(PretrainedModel model, Tensor ids, Tensor mask)
    {
        using var gradients = no_grad();
        var input = new ModelInput { InputIds = ids, AttentionMask = mask };
        return model is QuestionAnswerer ? model.forward(input).select(-1, 0) : model.forward(input);
    }
}
