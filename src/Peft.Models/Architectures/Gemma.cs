namespace Peft.Models.Architectures;

/// <summary>Gemma 1 (arXiv:2403.08295), 2 (arXiv:2408.00118) and 3 (arXiv:2503.19786), text only.</summary>
internal static class Gemma
{
    /// <summary>Llama with scaled embeddings and norms that store w − 1.</summary>
    public static TransformerSpec Describe(ModelConfig config)
    {
        config.Only("use_bidirectional_attention", false);
        var spec = Llama.Common(config);
        return spec with
        {
            HeadSize = config.Size("head_dim", 256),
            // hidden_act "gelu" of the first release stands for the tanh form, which it was trained with.
            Activation = config.Has("hidden_activation")
                ? Activation.Read(config, "hidden_activation", "gelu_pytorch_tanh")
                : Activation.Named("gelu_pytorch_tanh"),
            NormOffset = 1,
            EmbeddingScale = Math.Sqrt(spec.HiddenSize),
            TiedHead = config.Flag("tie_word_embeddings", true),
            AttentionBias = config.Flag("attention_bias", false),
            AttentionOutputBias = config.Flag("attention_bias", false),
        };
    }

    /// <summary>Gemma with soft caps, a window on every other layer, and norms after attention and feed-forward network too.</summary>
    public static TransformerSpec Describe2(ModelConfig config)
    {
        var spec = Describe(config);
        return spec with
        {
            Names = Sandwich,
            AttentionScale = 1 / Math.Sqrt(config.Number("query_pre_attn_scalar", 256)),
            AttentionSoftCap = Cap(config, "attn_logit_softcapping", 50),
            LogitSoftCap = Cap(config, "final_logit_softcapping", 30),
            Windows = Llama.Windows(config, spec.LayerCount, config.Size("sliding_window", 4096), layer => layer % 2 == 0),
        };
    }

    /// <summary>Gemma 2 without caps, with a norm over queries and keys, and with another rotary base on layers with a window.</summary>
    public static TransformerSpec Describe3(ModelConfig config)
    {
        var spec = Describe(config);
        var period = config.Integer("sliding_window_pattern", config.Integer("_sliding_window_pattern", 6));
        var nested = config.Object("rope_parameters") is not null;
        return spec with
        {
            Names = Sandwich,
            ScalesAtLookup = true,
            QueryKeyNorm = true,
            AttentionScale = 1 / Math.Sqrt(config.Number("query_pre_attn_scalar", 256)),
            AttentionSoftCap = Cap(config, "attn_logit_softcapping", null),
            LogitSoftCap = Cap(config, "final_logit_softcapping", null),
            Windows = Llama.Windows(config, spec.LayerCount, config.Size("sliding_window", 4096), layer => (layer + 1) % period != 0),
            Rotary = RotarySettings.Read(config, "full_attention", 1_000_000),
            WindowRotary = nested
                ? RotarySettings.Read(config, "sliding_attention")
                : new RotarySettings(config.Number("rope_local_base_freq", 10000)),
        };
    }

    private static readonly TransformerNames Sandwich = new()
    {
        AttentionOutputNorm = "post_attention_layernorm",
        FeedForwardNorm = "pre_feedforward_layernorm",
        FeedForwardOutputNorm = "post_feedforward_layernorm",
    };

    // A null in the file says "no cap"; a missing field says the default.
    private static double? Cap(ModelConfig config, string name, double? fallback)
        => config.Has(name) ? config.Number(name, 0) : config.Names(name) ? null : fallback;
}
