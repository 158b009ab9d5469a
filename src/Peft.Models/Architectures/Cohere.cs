namespace Peft.Models.Architectures;

/// <summary>Command R and R7B: attention and feed-forward network side by side behind one layer norm without a bias, interleaved rotary embeddings, scaled logits.</summary>
internal static class Cohere
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config.Only("use_qk_norm", false);
        return Common(config, 500_000);
    }

    /// <summary>Three of four layers have a sliding window and rotary embeddings; the others have neither.</summary>
    public static TransformerSpec Describe2(ModelConfig config)
    {
        var spec = Common(config, 10_000);
        var period = config.Size("sliding_window_pattern", 4);
        var windows = Llama.Windows(config, spec.LayerCount, config.Size("sliding_window", 4096), layer => (layer + 1) % period != 0);
        return spec with { HeadSize = spec.HiddenSize / spec.HeadCount, Windows = windows, RotaryLayers = [.. windows.Select(window => window is not null)] };
    }

    private static TransformerSpec Common(ModelConfig config, double theta)
    {
        config = config.Default("max_position_embeddings", 8192);
        var bias = config.Flag("attention_bias", false);
        return Llama.Common(config, RotarySettings.Read(config, defaultBase: theta, defaultPositions: 8192) with { IsInterleaved = true }) with
        {
            Norm = NormKind.Layer,
            NormBias = false,
            NormEpsilon = config.Number("layer_norm_eps", 1e-5),
            ParallelResidual = true,
            SharedNorm = true,
            AttentionBias = bias,
            AttentionOutputBias = bias,
            HeadScale = config.Number("logit_scale", 0.0625),
            TiedHead = config.Flag("tie_word_embeddings", true),
            QuestionAnswerer = null,
        };
    }
}
