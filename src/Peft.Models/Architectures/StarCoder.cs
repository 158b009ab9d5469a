namespace Peft.Models.Architectures;

/// <summary>StarCoder 1 (Li et al. 2023, arXiv:2305.06161), as <c>gpt_bigcode</c>, and 2 (Lozhkov et al. 2024, arXiv:2402.19173).</summary>
internal static class StarCoder
{
    /// <summary>GPT-2 with one key/value head and weights that are not transposed.</summary>
    public static TransformerSpec Describe(ModelConfig config)
    {
        var one = config.Flag("multi_query", true);
        var spec = Gpt2.Describe(config.Default("activation_function", "gelu_pytorch_tanh"));
        return spec with
        {
            TransposedProjections = false,
            KeyValueHeadCount = one ? 1 : spec.HeadCount,
            AttentionProjections = one ? ProjectionLayout.Joined : ProjectionLayout.JoinedPerHead,
            DividesScoresByLayer = false,
            QuestionAnswerer = null,
        };
    }

    /// <summary>Llama with layer norms, biases, a plain feed-forward network and a sliding window.</summary>
    public static TransformerSpec Describe2(ModelConfig config)
    {
        config = config.Default("num_key_value_heads", 2).Default("max_position_embeddings", 4096);
        var spec = Llama.Common(config);
        var bias = config.Flag("use_bias", true);
        int? window = config.Has("sliding_window") ? config.Size("sliding_window") : null;
        return spec with
        {
            Names = spec.Names with { Up = "c_fc", Down = "c_proj" },
            Norm = NormKind.Layer,
            NormEpsilon = config.Number("norm_epsilon", 1e-5),
            Activation = Activation.Read(config, "hidden_act", "gelu_pytorch_tanh"),
            GatedFeedForward = false,
            AttentionBias = bias,
            AttentionOutputBias = bias,
            FeedForwardBias = bias,
            Windows = Llama.Windows(config, spec.LayerCount, window, _ => true),
            EmbeddingDropout = config.Number("embedding_dropout", 0),
            ResidualDropout = config.Number("residual_dropout", 0),
            TiedHead = config.Flag("tie_word_embeddings", true),
            QuestionAnswerer = null,
        };
    }
}
