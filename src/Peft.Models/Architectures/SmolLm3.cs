namespace Peft.Models.Architectures;

/// <summary>SmolLM3: Llama whose every fourth layer has no rotary embeddings (Yang et al. 2025, arXiv:2501.18795).</summary>
internal static class SmolLm3
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config = config.Default("num_key_value_heads", 4).Default("max_position_embeddings", 32768);
        var spec = Llama.Common(config, RotarySettings.Read(config, defaultBase: 2_000_000, defaultPositions: 32768));
        var interval = config.Size("no_rope_layer_interval", 4);
        var rotates = config.Wholes("no_rope_layers") is { } listed ? listed.Select(each => each != 0).ToArray() : [.. Enumerable.Range(1, spec.LayerCount).Select(layer => layer % interval != 0)];
        config.Refuse(rotates.Length != spec.LayerCount, "no_rope_layers");
        int? window = config.Flag("use_sliding_window", false) && config.Has("sliding_window") ? config.Size("sliding_window") : null;
        var bias = config.Flag("attention_bias", false);
        return spec with
        {
            RotaryLayers = rotates,
            Windows = Llama.Windows(config, spec.LayerCount, window, layer => !rotates[layer]),
            AttentionBias = bias,
            AttentionOutputBias = bias,
            FeedForwardBias = config.Flag("mlp_bias", false),
            TiedHead = config.Flag("tie_word_embeddings", true),
            AnsweringBase = "transformer",
        };
    }
}
