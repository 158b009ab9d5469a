using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Export.Gguf;

/// <summary>The metadata of a GGUF file that describes a model, and the parts of it that llama.cpp lacks.</summary>
internal static class GgufArchitecture
{
    private static readonly Dictionary<string, (string Name, string Activation)> Known = new()
    {
        ["llama"] = ("llama", "silu"), ["mistral"] = ("llama", "silu"), ["qwen2"] = ("qwen2", "silu"), ["qwen3"] = ("qwen3", "silu"), ["phi3"] = ("phi3", "silu"),
        ["gemma"] = ("gemma", "gelu_pytorch_tanh"), ["gemma2"] = ("gemma2", "gelu_pytorch_tanh"), ["gemma3_text"] = ("gemma3", "gelu_pytorch_tanh"),
        ["gpt2"] = ("gpt2", "gelu_new"), ["gpt_neox"] = ("gptneox", "gelu"),
    };

    private static readonly HashSet<string> WithoutBiases = ["qwen3", "phi3", "gemma", "gemma2", "gemma3"];

    // llama.cpp has windows for these architectures alone: in all layers but each n-th.
    private static int? Period(string name) => name switch { "gemma2" => 2, "gemma3" => 6, _ => null };

    /// <summary>Name of a model's architecture in llama.cpp; null if it has none.</summary>
    public static string? NameOf(PretrainedModel model) => Known.TryGetValue(model.ModelType, out var found) ? found.Name : null;

    /// <summary>What keeps llama.cpp from computing what the model does; empty if nothing does.</summary>
    public static IEnumerable<string> Problems(PretrainedModel model)
    {
        var spec = model.Spec;
        if (model is not CausalLM)
        {
            yield return $"a {model.GetType().Name} has a head that GGUF files do not hold; export a CausalLM.";
            yield break;
        }
        if (!Known.TryGetValue(model.ModelType, out var known))
        {
            yield return $"llama.cpp has no architecture for the model type '{model.ModelType}'; it has those of {string.Join(", ", Known.Keys)}.";
            yield break;
        }
        if (spec.Activation.Name != known.Activation && !(spec.Activation.IsSilu && known.Activation == "silu"))
            yield return $"llama.cpp computes the activation '{known.Activation}' for '{known.Name}', but the model has '{spec.Activation.Name}'.";
        if (spec.Rotary?.Scaling is { } scaling and not (LinearScaling or Llama3Scaling or LongRopeScaling or YarnScaling { Truncate: true })) yield return $"the rotary scaling {scaling.GetType().Name} is not written to GGUF files.";
        if (spec.WindowRotary?.Scaling is { } other) yield return $"the rotary scaling {other.GetType().Name} of layers with a window is not written to GGUF files.";
        if (spec.DividesScoresByLayer) yield return "llama.cpp does not divide attention scores by the layer (scale_attn_by_inverse_layer_idx).";
        if ((spec.AttentionBias || spec.AttentionOutputBias) && WithoutBiases.Contains(known.Name)) yield return $"llama.cpp has no biases in the attention of '{known.Name}' (attention_bias).";
        if (Period(known.Name) is { } period && spec.Windows.Where((window, layer) => window is null != (layer % period == period - 1)).Any()) yield return $"llama.cpp has sliding windows in {period - 1} of each {period} layers of '{known.Name}', and the model in others.";
        if (Math.Abs(spec.ScoreFactor(0) - ScoreFactor(spec, known.Name)) > 1e-6 * spec.ScoreFactor(0)) yield return $"llama.cpp scales the attention scores of '{known.Name}' by {ScoreFactor(spec, known.Name):g6}, but the model by {spec.ScoreFactor(0):g6}.";
        if (spec.Rotary is { } rotated && (int)(spec.HeadSize * rotated.RotatedFraction) % 2 != 0) yield return $"llama.cpp rotates pairs of dimensions, but {(int)(spec.HeadSize * rotated.RotatedFraction)} of a head's {spec.HeadSize} dimensions are rotated.";
        if (spec.Rotary is { RotatedFraction: not 1 } && known.Name is not "gptneox") yield return $"rotary embeddings of a part of the heads ({spec.Rotary.RotatedFraction}) are not written for '{known.Name}'.";
    }

    /// <summary>The key-value pairs.</summary>
    public static IEnumerable<(string Key, object Value)> Metadata(PretrainedModel model)
    {
        var (spec, name) = (model.Spec, NameOf(model)!);
        // Without windows in llama.cpp, the attention is the same up to the window.
        var positions = Period(name) is null && spec.Windows.Min() is { } window ? Math.Min(spec.MaxPositions, window) : spec.MaxPositions;
        yield return Pair("block_count", spec.LayerCount);
        yield return Pair("context_length", positions);
        yield return Pair("embedding_length", spec.HiddenSize);
        yield return Pair("feed_forward_length", spec.IntermediateSize);
        yield return Pair("attention.head_count", spec.HeadCount);
        yield return ($"{name}.attention.{(spec.Norm == NormKind.Layer ? "layer_norm_epsilon" : "layer_norm_rms_epsilon")}", (float)spec.NormEpsilon);
        if (name == "gpt2") yield break;
        yield return Pair("vocab_size", spec.VocabularySize);
        yield return Pair("attention.head_count_kv", spec.KeyValueHeadCount);
        yield return Pair("attention.key_length", spec.HeadSize);
        yield return Pair("attention.value_length", spec.HeadSize);
        var rotary = spec.Rotary!;
        yield return Pair("rope.dimension_count", rotary.Rotated(spec.HeadSize));
        yield return ($"{name}.rope.freq_base", (float)rotary.Base);
        if (spec.WindowRotary is { } local) yield return ($"{name}.rope.freq_base_swa", (float)local.Base);
        if (rotary.Scaling is LinearScaling linear)
        {
            yield return ($"{name}.rope.scaling.type", "linear");
            yield return ($"{name}.rope.scaling.factor", (float)linear.Factor);
        }
        if (rotary.Scaling is YarnScaling yarn)
        {
            yield return ($"{name}.rope.scaling.type", "yarn");
            yield return ($"{name}.rope.scaling.factor", (float)yarn.Factor);
            yield return Pair("rope.scaling.original_context_length", yarn.OriginalPositions);
            yield return ($"{name}.rope.scaling.yarn_beta_fast", (float)yarn.BetaFast);
            yield return ($"{name}.rope.scaling.yarn_beta_slow", (float)yarn.BetaSlow);
            // llama.cpp multiplies it by the attention factor that follows from the factor.
            yield return ($"{name}.rope.scaling.attn_factor", (float)(yarn.AttentionFactor / new YarnScaling(yarn.Factor, 1).AttentionFactor));
        }
        if (rotary.Scaling is LongRopeScaling longRope)
        {
            yield return Pair("rope.scaling.original_context_length", longRope.OriginalPositions);
            yield return ($"{name}.rope.scaling.attn_factor", (float)longRope.AttentionFactor);
        }
        if (name == "gptneox") yield return ($"{name}.use_parallel_residual", spec.ParallelResidual);
        // llama.cpp does not use it for each of these architectures, but other readers of the file do.
        if (name != "llama" && spec.Windows.FirstOrDefault(each => each is not null) is { } size) yield return Pair("attention.sliding_window", size);
        if (spec.AttentionSoftCap is { } cap) yield return ($"{name}.attn_logit_softcapping", (float)cap);
        if (spec.LogitSoftCap is { } last) yield return ($"{name}.final_logit_softcapping", (float)last);

        (string, object) Pair(string key, int value) => ($"{name}.{key}", (uint)value);
    }

    /// <summary>Factors by which llama.cpp divides the rotary frequencies, as tensors of the file.</summary>
    public static IEnumerable<(string Name, float[] Factors)> RotaryFactors(PretrainedModel model)
    {
        switch (model.Spec.Rotary)
        {
            case { Scaling: LongRopeScaling scaling }:
                yield return ("rope_factors_long.weight", [.. scaling.LongFactors.Select(factor => (float)factor)]);
                yield return ("rope_factors_short.weight", [.. scaling.ShortFactors.Select(factor => (float)factor)]);
                break;
            case { Scaling: Llama3Scaling } rotary:
                using (var scope = NewDisposeScope())
                {
                    var exponents = rotary.Exponents(model.Spec.HeadSize, CPU);
                    var plain = (rotary with { Scaling = null }).Frequencies(exponents, 0);
                    yield return ("rope_freqs.weight", plain.div(rotary.Frequencies(exponents, 0)).data<float>().ToArray());
                }
                break;
        }
    }

    // Gemma 2 with 46 layers and Gemma 3 with 62 scale by the width per head.
    private static double ScoreFactor(TransformerSpec spec, string name)
        => 1 / Math.Sqrt(name is "gemma2" && spec.LayerCount == 46 || name is "gemma3" && spec.LayerCount == 62 ? (double)spec.HiddenSize / spec.HeadCount : spec.HeadSize);
}
