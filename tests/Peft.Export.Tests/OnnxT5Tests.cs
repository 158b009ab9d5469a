using System.Text.Json.Nodes;
using Microsoft.ML.OnnxRuntime;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Export.Tests;

/// <summary>Models with an encoder and a decoder, written as ONNX and run by ONNX Runtime.</summary>
public sealed class OnnxT5Tests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    // Longer than the largest distance with a bucket of its own.
    private const int SourceLength = 24, TargetLength = 20;

    internal static ModelConfig Config(string fields)
    {
        var config = new JsonObject
        {
            ["model_type"] = "t5", ["vocab_size"] = 100, ["d_model"] = 32, ["d_kv"] = 8, ["d_ff"] = 48, ["num_heads"] = 4, ["num_layers"] = 2, ["num_decoder_layers"] = 3, ["relative_attention_num_buckets"] = 8,
            ["relative_attention_max_distance"] = 16, ["decoder_start_token_id"] = 0, ["pad_token_id"] = 0, ["eos_token_id"] = 1, ["num_labels"] = 3,
        };
        foreach (var (name, value) in JsonNode.Parse(fields)!.AsObject()) config[name] = value?.DeepClone();
        return ModelConfig.Parse(config.ToJsonString(), "t5");
    }

    private static (Tensor Ids, Tensor Mask, Tensor Target) Batch()
    {
        using var generator = new Generator(9);
        var ids = randint(5, 100, [2, SourceLength], generator: generator, dtype: ScalarType.Int64);
        var mask = ones_like(ids);
        mask[0, TensorIndex.Slice(SourceLength - 6)] = 0;
        return (ids, mask, randint(5, 100, [2, TargetLength], generator: generator, dtype: ScalarType.Int64));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"feed_forward_proj": "gated-gelu", "tie_word_embeddings": false}""")]
    public void Encoder_and_decoder_compute_the_same_with_and_without_adapters(string fields)
    {
        using var model = Seq2SeqLM.FromConfig(Config(fields), seed: 3);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 3, Alpha = 6, TargetModules = model.Spec.TiedHead ? ModuleSelector.AllLinear : @".*(\.(q|k|v|o|wi_0|wi_1|wo)|relative_attention_bias|shared|lm_head)$" });
        peft.Shake(0.1, seed: 5);
        model.eval();
        peft.SaveOnnx(folder["graphs"]);
        peft.SaveOnnxAdapter(folder["graphs"]);
        using var runtime = new Pair(folder["graphs"], model);
        var (ids, mask, target) = Batch();
        var adapted = Logits();
        using (peft.WithoutAdapters())
        {
            Logits().Largest(adapted, ones_like(target)).ShouldBeGreaterThan(0.05, "the adapter must show");
            runtime.Logits(ids, mask, target, adapted: false).ShouldBeNear(Logits(), ones_like(target));
        }
        runtime.Logits(ids, mask, target, adapted: true).ShouldBeNear(adapted, ones_like(target));
        runtime.Logits(ids, mask, target, adapted: true, 3, 1, TargetLength - 4).ShouldBeNear(adapted, ones_like(target));

        Tensor Logits()
        {
            using var gradients = no_grad();
            return model.forward(new ModelInput { InputIds = ids, AttentionMask = mask, DecoderInputIds = target });
        }
    }

    [Fact]
    public void A_merged_model_and_its_encoder_compute_the_same()
    {
        using var model = Seq2SeqLM.FromConfig(Config("{}"), seed: 3);
        var peft = model.ApplyLora(rank: 4);
        peft.Shake(0.1, seed: 5);
        peft.MergeAndUnload();
        model.eval();
        model.SaveOnnx(folder["graphs"], maxBytes: 10_000);
        Directory.GetFiles(folder["graphs"]).Select(Path.GetFileName).Order().ShouldBe(["decoder_with_past_model.onnx", "decoder_with_past_model.onnx.data", "encoder_model.onnx", "encoder_model.onnx.data"]);
        using var encoder = new OnnxRuntime(Path.Combine(folder["graphs"], "encoder_model.onnx"), model);
        var (ids, mask, _) = Batch();
        using var gradients = no_grad();
        encoder.Run(ids, mask, null).ShouldBeNear(model.Encode(new() { InputIds = ids, AttentionMask = mask }), mask);
    }

    [Fact]
    public void A_classifier_reads_the_state_at_the_end_of_the_text()
    {
        using var model = SequenceClassifier.FromConfig(Config("{}"), seed: 3);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 3, Alpha = 6 });
        peft.Shake(0.1, seed: 5);
        model.eval();
        peft.SaveOnnx(folder["model.onnx"]);
        peft.SaveOnnxAdapter(folder["a.onnx_adapter"]);
        using var runtime = new OnnxRuntime(folder["model.onnx"], model);
        using var ids = tensor(new long[,] { { 5, 9, 3, 1, 0, 0 }, { 7, 2, 8, 4, 6, 1 } });
        using var mask = tensor(new long[,] { { 1, 1, 1, 1, 0, 0 }, { 1, 1, 1, 1, 1, 1 } });
        using var gradients = no_grad();
        var adapted = model.forward(new ModelInput { InputIds = ids, AttentionMask = mask });
        runtime.Run(ids, mask, folder["a.onnx_adapter"]).ShouldBeNear(adapted, mask);
        using (peft.WithoutAdapters())
        {
            var original = model.forward(new ModelInput { InputIds = ids, AttentionMask = mask });
            original.Largest(adapted, mask).ShouldBeGreaterThan(0.01, "the adapter must show");
            runtime.Run(ids, mask, null).ShouldBeNear(original, mask);
        }
        // As the model itself does, the graph refuses a row without the token that marks its end.
        using var endless = tensor(new long[,] { { 5, 9, 3, 1, 0, 0 }, { 7, 2, 8, 4, 6, 9 } });
        Should.Throw<ArgumentException>(() => model.forward(new ModelInput { InputIds = endless, AttentionMask = mask })).Message.ShouldContain("end-of-sequence");
        Should.Throw<OnnxRuntimeException>(() => runtime.Run(endless, mask, null)).Message.ShouldContain("GatherND");
    }

    /// <summary>The two graphs of a model.</summary>
    private sealed class Pair(string folder, Seq2SeqLM model) : IDisposable
    {
        private readonly OnnxRuntime encoder = new(Path.Combine(folder, "encoder_model.onnx"), model), decoder = new(Path.Combine(folder, "decoder_with_past_model.onnx"), model);

        public void Dispose()
        {
            encoder.Dispose();
            decoder.Dispose();
        }

        /// <summary>The logits of a target that is given in parts, each with the keys and values of those before it.</summary>
        public Tensor Logits(Tensor ids, Tensor mask, Tensor target, bool adapted, params int[] lengths)
        {
            var inputs = new Dictionary<string, Tensor> { ["encoder_attention_mask"] = mask };
            Keep(encoder.Run(new Dictionary<string, Tensor> { ["input_ids"] = ids, ["attention_mask"] = mask }, adapted ? Path.Combine(folder, "encoder_model.onnx_adapter") : null));
            for (var layer = 0; layer < model.Spec.LayerCount; layer++)
                foreach (var kind in new[] { "key", "value" }) inputs[$"past_key_values.{layer}.decoder.{kind}"] = zeros(ids.shape[0], model.Spec.KeyValueHeadCount, 0, model.Spec.HeadSize);
            var (start, logits) = (0, new List<Tensor>());
            foreach (var length in lengths.Length == 0 ? [(int)target.shape[1]] : lengths)
            {
                inputs["input_ids"] = target.narrow(1, start, length);
                var results = decoder.Run(inputs, adapted ? Path.Combine(folder, "decoder_with_past_model.onnx_adapter") : null);
                logits.Add(results["logits"]);
                Keep(results);
                start += length;
            }
            return cat(logits, 1);

            void Keep(Dictionary<string, Tensor> results)
            {
                foreach (var (name, values) in results.Where(each => each.Key.StartsWith("present", StringComparison.Ordinal))) inputs[name.Replace("present", "past_key_values", StringComparison.Ordinal)] = values;
            }
        }
    }
}
