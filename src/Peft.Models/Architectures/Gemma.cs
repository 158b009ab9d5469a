namespace Peft.Models.Architectures;

/// <summary>Gemma 1 (arXiv:2403.08295), 2 (arXiv:2408.00118) and 3 (arXiv:2503.19786), text only.</summary>
internal static class Gemma
{
    /// <summary>Llama with scaled embeddings and norms that store w − 1.</summary>
    public static TransformerSpec Describe(ModelConfig config) => Common(config.Default("num_key_value_heads", 16), 8192) with { Activation = FirstActivation(config) };

    /// <summary>Gemma with soft caps, a sliding window on every other layer, and additional norms after attention and feed-forward network.</summary>
    public static TransformerSpec Describe2(ModelConfig config)
    {
        var spec = Common(config.Default("num_key_value_heads", 4), 8192);
        return spec with
        {
            Names = Sandwich,
            CutsPrefixes = true,
            AttentionScale = 1 / Math.Sqrt(config.Number("query_pre_attn_scalar", 256)),
            AttentionSoftCap = Cap(config, "attn_logit_softcapping", 50),
            LogitSoftCap = Cap(config, "final_logit_softcapping", 30),
            Windows = Llama.Windows(config, spec.LayerCount, Window(config), layer => layer % 2 == 0),
        };
    }

    /// <summary>
    /// Gemma 2 without soft caps of attention scores (transformers reads <c>attn_logit_softcapping</c> but ignores it), with norms of queries and keys, and a different rotary
    /// base for layers with a sliding window.
    /// </summary>
    public static TransformerSpec Describe3(ModelConfig config)
    {
        const int positions = 131072;
        var spec = Common(config.Default("num_key_value_heads", 4), positions, RotarySettings.Read(config, "full_attention", 1_000_000, defaultPositions: positions));
        var period = config.Size("sliding_window_pattern", config.Size("_sliding_window_pattern", 6));
        return spec with
        {
            Names = Sandwich,
            CutsPrefixes = true,
            QueryKeyNorm = HeadNorm.PerHead,
            AttentionScale = 1 / Math.Sqrt(config.Number("query_pre_attn_scalar", 256)),
            LogitSoftCap = Cap(config, "final_logit_softcapping", null),
            Windows = Llama.Windows(config, spec.LayerCount, Window(config), layer => (layer + 1) % period != 0),
            // rope_theta applies to the layers with full attention.
            WindowRotary = RotarySettings.Read(config.Without("rope_theta"), "sliding_attention", config.Number("rope_local_base_freq", 10000), defaultPositions: positions),
        };
    }

    private static TransformerSpec Common(ModelConfig config, int positions, RotarySettings? rotary = null)
    {
        config.Only("use_bidirectional_attention", false);
        config = config.Default("max_position_embeddings", positions);
        var spec = Llama.Common(config, rotary);
        return spec with
        {
            HeadSize = config.Size("head_dim", 256),
            Activation = Activation.Read(config, "hidden_activation", "gelu_pytorch_tanh"),
            NormOffset = 1,
            QuestionAnswerer = null,
            EmbeddingScale = Math.Sqrt(spec.HiddenSize),
            ScalesAtLookup = true,
            TiedHead = config.Flag("tie_word_embeddings", true),
            AttentionBias = config.Flag("attention_bias", false),
            AttentionOutputBias = config.Flag("attention_bias", false),
        };
    }

    // Configurations of the first release have two fields, of which hidden_activation takes precedence. With hidden_act alone, "gelu" means the tanh approximation that the model was trained with.
    private static Activation FirstActivation(ModelConfig config)
        => config.Has("hidden_activation") ? Activation.Read(config, "hidden_activation", "gelu_pytorch_tanh")
            : config.Text("hidden_act", null) == "gelu" ? Activation.Named("gelu_pytorch_tanh") : Activation.Read(config, "hidden_act", "gelu_pytorch_tanh");

    private static int Window(ModelConfig config)
    {
        config.Refuse(config.Contains("sliding_window") && !config.Has("sliding_window"), "sliding_window");
        return config.Size("sliding_window", 4096);
    }

    private static readonly TransformerNames Sandwich = new()
    {
        AttentionOutputNorm = "post_attention_layernorm",
        FeedForwardNorm = "pre_feedforward_layernorm",
        FeedForwardOutputNorm = "post_feedforward_layernorm",
    };

    // A null in the file means "no cap"; a missing field means the default.
    private static double? Cap(ModelConfig config, string name, double? fallback)
        => config.Has(name) ? config.Number(name, 0) : config.Contains(name) ? null : fallback;
}
