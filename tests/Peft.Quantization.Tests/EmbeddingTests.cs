using System.ComponentModel;
using Peft.Lora;
using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Quantization.Tests;

/// <summary>Quantized token embeddings and heads, against the same models with the dequantized values.</summary>
public sealed class EmbeddingTests : IDisposable
{
    private const string Llama = """
        {"model_type":"llama","hidden_size":64,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"intermediate_size":168,"vocab_size":97,"max_position_embeddings":1024,
         "rms_norm_eps":1e-5,"rope_theta":10000.0,"hidden_act":"silu","tie_word_embeddings":true}
        """;

    private const string Gpt2 = """
        {"model_type":"gpt2","vocab_size":97,"n_positions":1024,"n_embd":64,"n_layer":2,"n_head":4,"activation_function":"gelu_new","layer_norm_epsilon":1e-5,
         "resid_pdrop":0.0,"embd_pdrop":0.0,"attn_pdrop":0.0,"tie_word_embeddings":true}
        """;

    private const string SoftCapped = """
        {"model_type":"gemma2","vocab_size":97,"hidden_size":64,"intermediate_size":96,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":16,"query_pre_attn_scalar":16,
         "rms_norm_eps":1e-6,"rope_theta":10000.0,"hidden_activation":"gelu_pytorch_tanh","attn_logit_softcapping":50.0,"final_logit_softcapping":3.0,"sliding_window":8,"max_position_embeddings":1024,"tie_word_embeddings":true}
        """;

    private static readonly string Untied = Llama.Replace("\"tie_word_embeddings\":true", "\"tie_word_embeddings\":false", StringComparison.Ordinal);

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static QuantizationOptions Options(string text) => (QuantizationOptions)TypeDescriptor.GetConverter(typeof(QuantizationOptions)).ConvertFromInvariantString(text)!;

    private static CausalLM Make(string config, QuantizationOptions? quantization, ScalarType type = ScalarType.Float32)
    {
        var model = CausalLM.FromConfig(ModelConfig.Parse(config), seed: 2, options: new LoadOptions { Dtype = type });
        return quantization is null ? model : model.Quantize(quantization);
    }

    public static TheoryData<string, string> Models => new()
    {
        { Llama, "nf4+llm_int8" }, { Llama, "llm_int8+nf4_double" }, { Llama, "fp8+fp8" }, { Untied, "nf4+llm_int8" }, { Untied, "nf4+blockwise" }, { Gpt2, "nf4+llm_int8" }, { Gpt2, "blockwise+fp4" }, { SoftCapped, "nf4+llm_int8" },
    };

    [Theory, MemberData(nameof(Models))]
    public void Rows_logits_loss_gradients_and_tokens_are_those_of_the_dequantized_model(string config, string kinds)
    {
        using var scope = NewDisposeScope();
        using var quantized = Make(config, Options(kinds));
        using var plain = Make(config, Options(kinds)).Dequantize();
        quantized.InputEmbeddings.Storage.ShouldBeOfType<QuantizedStorage>().Matrix.GetType().ShouldBe(Options(kinds).Embeddings!.Quantize(ones(2, 64)).GetType());
        quantized.Head.Storage.ShouldBeOfType<QuantizedStorage>();
        ReferenceEquals(quantized.Head.Storage, quantized.InputEmbeddings.Storage).ShouldBe(config != Untied);
        plain.Head.Storage.Parameter.ShouldNotBeNull();
        ReferenceEquals(plain.Head.Weight, plain.InputEmbeddings.Weight).ShouldBe(config != Untied);
        plain.named_parameters().All(pair => !pair.parameter.IsInvalid).ShouldBeTrue();

        manual_seed(4);
        foreach (var ids in new[] { randint(0, 97, [3, 50]), tensor(new long[] { 96 }), tensor(new[] { 5, 0, 5 }) })
            quantized.InputEmbeddings.call(ids).Difference(plain.InputEmbeddings.call(ids)).ShouldBe(0);
        quantized.InputEmbeddings.call(zeros([2, 0], ScalarType.Int64)).shape.ShouldBe([2, 0, 64]);
        quantized.ShouldComputeAs(plain, (1, 1), (1, 9), (3, 5), (2, 150));

        var tokens = randint(0, 97, [2, 40]);
        var batchOfTokens = new Batch { InputIds = tokens, Labels = tokens };
        using var mine = quantized.ApplyLora(8, targets: ModuleSelector.AllLinear).Shake(0.05, seed: 3);
        using var theirs = plain.ApplyLora(8, targets: ModuleSelector.AllLinear).Shake(0.05, seed: 3);
        var (loss, other) = (quantized.Loss(batchOfTokens), plain.Loss(batchOfTokens));
        loss.RelativeDifference(other).ShouldBeLessThan(1e-5);
        loss.backward();
        other.backward();
        foreach (var (a, b) in mine.Trainables.Zip(theirs.Trainables)) a.Value.grad!.RelativeDifference(b.Value.grad!).ShouldBeLessThan(1e-4, a.Name);
        var statistics = TokenStatistics.Entropy | TokenStatistics.MeanLogitOfAllPositions;
        var (left, right) = (quantized.Predict(new ModelInput { InputIds = tokens }, tokens, statistics: statistics), plain.Predict(new ModelInput { InputIds = tokens }, tokens, statistics: statistics));
        left.LogProbabilities.RelativeDifference(right.LogProbabilities).ShouldBeLessThan(1e-4);
        left.Entropy!.RelativeDifference(right.Entropy!).ShouldBeLessThan(1e-4);
        left.MeanLogitOfAllPositions!.RelativeDifference(right.MeanLogitOfAllPositions!).ShouldBeLessThan(1e-4);
    }

    [Fact]
    public void The_gradient_of_the_loss_is_computed_in_chunks()
    {
        // 4 Mi logits at most are in memory at once: 41 rows of this vocabulary.
        using var scope = NewDisposeScope();
        var config = Llama.Replace("\"vocab_size\":97", "\"vocab_size\":100003", StringComparison.Ordinal);
        using var quantized = Make(config, Options("nf4+llm_int8"));
        using var plain = Make(config, Options("nf4+llm_int8")).Dequantize();
        foreach (var parameter in plain.parameters()) parameter.requires_grad = false;
        manual_seed(5);
        var (ids, gradients) = (randint(0, 100003, [2, 60]), new List<Tensor>());
        foreach (var model in new[] { quantized, plain })
        {
            var embeddings = model.InputEmbeddings.call(ids).detach().requires_grad_();
            model.Loss(new ModelInput { Embeddings = embeddings }, ids).backward();
            gradients.Add(embeddings.grad!);
        }
        gradients[0].RelativeDifference(gradients[1]).ShouldBeLessThan(1e-4);
    }

    [Theory, InlineData(Llama), InlineData(Gpt2)]
    public void Bytes_fall_and_a_tied_weight_is_one(string config)
    {
        using var without = Make(config, Options("nf4"));
        using var with = Make(config, Options("nf4+llm_int8"));
        with.QuantizedWeights().Count.ShouldBe(without.QuantizedWeights().Count + 1);
        with.QuantizedWeights().Sum(pair => pair.Value.Bytes).ShouldBe(without.QuantizedWeights().Sum(pair => pair.Value.Bytes) + 97 * 64 + 97 * 4);
        var kept = with.named_parameters().Select(pair => pair.name).ToList();
        kept.ShouldNotContain("lm_head.weight");
        kept.ShouldNotContain(name => name.EndsWith("embed_tokens.weight", StringComparison.Ordinal) || name.EndsWith("wte.weight", StringComparison.Ordinal));
        with.to(ScalarType.BFloat16);
        with.InputEmbeddings.Storage.ComputeType.ShouldBe(ScalarType.BFloat16);
        using var ids = tensor(new long[] { 1, 2 }, [1, 2]);
        using var logits = with.call(ids);
        logits.dtype.ShouldBe(ScalarType.BFloat16);
    }

    [Theory, InlineData("llama", "nf4+llm_int8"), InlineData("untied", "nf4_double+nf4"), InlineData("gpt2", "llm_int8+blockwise")]
    public void Loading_is_quantizing_in_memory(string name, string kinds)
    {
        using var scope = NewDisposeScope();
        var config = name switch { "llama" => Llama, "untied" => Untied, _ => Gpt2 };
        using var expected = Make(config, null);
        expected.SavePretrained(folder.Path);
        expected.Quantize(Options(kinds));
        using var loaded = CausalLM.FromPretrained(folder.Path, new LoadOptions { Quantization = Options(kinds) });
        loaded.QuantizedWeights().Keys.ShouldBe(expected.QuantizedWeights().Keys, ignoreOrder: true);
        foreach (var (path, weight) in expected.QuantizedWeights()) loaded.QuantizedWeights()[path].Matrix.Dequantize().Difference(weight.Matrix.Dequantize()).ShouldBe(0, path);
        var ids = tensor(new long[] { 1, 2, 3 }, [1, 3]);
        loaded.call(ids).Difference(expected.call(ids)).ShouldBe(0);

        var skipping = Options(kinds) with { SkipModules = ["lm_head"] };
        using var skipped = CausalLM.FromPretrained(folder.Path, new LoadOptions { Quantization = skipping });
        skipped.Head.Storage.Parameter.ShouldNotBeNull();
        (skipped.InputEmbeddings.Storage is QuantizedStorage).ShouldBe(name == "untied");
        using var same = Make(config, skipping);
        skipped.call(ids).Difference(same.call(ids)).ShouldBe(0);
    }

    [Fact]
    public void Estimates_of_memory_count_the_embeddings()
    {
        using var model = Make(Llama, Options("nf4+llm_int8"));
        long Of(string? kinds) => TrainingMemory.Of(ModelConfig.Parse(Llama), new LoraOptions(), new LoadOptions { Quantization = kinds is null ? null : Options(kinds) }).Weights;
        (Of("nf4") - Of("nf4+llm_int8")).ShouldBe(97 * 64 * 3);
        ((double)Of("nf4+llm_int8")).ShouldBe(model.QuantizedWeights().Sum(pair => pair.Value.Bytes) + model.parameters().Sum(parameter => parameter.numel() * 4), 2000);
    }

    [Fact]
    public void Adapters_on_quantized_embeddings_and_heads()
    {
        using var scope = NewDisposeScope();
        var ids = tensor(new long[] { 1, 2, 3, 4, 5, 6 }, [1, 6]);
        foreach (var options in new AdapterOptions[]
        {
            new LoraOptions { TargetModules = ["embed_tokens", "q_proj"] }, new LoraOptions { TargetModules = ["lm_head", "q_proj"] }, new LoraOptions { TargetModules = ["q_proj"], TrainableTokenIndices = new[] { 1, 4 } }, new TrainableTokensOptions { TokenIndices = [1, 4] },
        })
            foreach (var config in new[] { Llama, Untied })
            {
                using var quantized = Make(config, Options("nf4+llm_int8"));
                using var plain = Make(config, Options("nf4+llm_int8")).Dequantize();
                using var mine = quantized.ApplyAdapter(options).Shake(0.05, seed: 3);
                using var theirs = plain.ApplyAdapter(options).Shake(0.05, seed: 3);
                quantized.call(ids).RelativeDifference(plain.call(ids)).ShouldBeLessThan(2e-5);
                var batch = new Batch { InputIds = ids, Labels = ids };
                quantized.Loss(batch).backward();
                plain.Loss(batch).backward();
                foreach (var (a, b) in mine.Trainables.Zip(theirs.Trainables)) a.Value.grad!.RelativeDifference(b.Value.grad!).ShouldBeLessThan(1e-4, a.Name);
                if (config == Llama) continue;   // a weight that is also that of another module cannot be merged into
                mine.MergeAndUnload(dequantize: true);
                theirs.MergeAndUnload();
                quantized.call(ids).RelativeDifference(plain.call(ids)).ShouldBeLessThan(2e-5);
            }
    }

    [Fact]
    public void What_cannot_be_done_is_refused_by_name()
    {
        using var model = Make(Llama, Options("nf4+llm_int8"));
        Should.Throw<QuantizationException>(() => model.SavePretrained(folder.Path)).Message.ShouldContain("model.embed_tokens is quantized");
        Should.Throw<PeftException>(() => model.ResizeTokenEmbeddings(100)).Message.ShouldContain("Dequantize()");
        Should.Throw<ArgumentException>(() => model.call(tensor(new long[] { 97 }, [1, 1]))).Message.ShouldContain("Token id 97 is outside");
        Should.Throw<ArgumentException>(() => model.call(tensor(new long[] { -1 }, [1, 1]))).Message.ShouldContain("Token id -1 is outside");
        Should.Throw<ArgumentException>(() => model.InputEmbeddings.call(tensor(new float[] { 1 }))).Message.ShouldContain("int64");
        model.Dequantize().SavePretrained(folder.Path);

        using var plain = Make(Llama, null);
        var before = plain.InputEmbeddings.Weight;
        foreach (var (wrong, text) in new[]
        {
            (QuantizationOptions.Nf4() with { Embeddings = QuantizationOptions.Nf4(blockSize: 48) }, "Embeddings: BlockSize"), (QuantizationOptions.Nf4() with { Embeddings = Options("nf4+nf4") }, "Embeddings of its own"),
            (QuantizationOptions.Nf4() with { Embeddings = QuantizationOptions.Nf4() with { SkipModules = ["x"] } }, "SkipModules of its own"),
        })
            Should.Throw<ArgumentException>(() => plain.Quantize(wrong)).Message.ShouldContain(text);
        using (no_grad()) before[3, 5] = tensor(float.NaN);
        Should.Throw<QuantizationException>(() => plain.Quantize(Options("nf4+llm_int8"))).Message.ShouldContain("model.embed_tokens.weight holds values that are not finite");
        plain.QuantizedWeights().ShouldBeEmpty();
        ReferenceEquals(plain.InputEmbeddings.Weight, before).ShouldBeTrue();
        using var own = nn.Sequential(("a", new Modules.Linear(64, 64)));
        Should.Throw<QuantizationException>(() => own.Quantize(Options("nf4+nf4"))).Message.ShouldContain("no token embedding");
        Should.Throw<Exception>(() => Options("nf4+nf4+nf4")).ToString().ShouldContain("more than two kinds");
        Should.Throw<Exception>(() => Options("nf4+")).ToString().ShouldContain("not a kind");
    }
}
