namespace Peft.Models.Architectures;

/// <summary>Llama 1 to 3 (Touvron et al. 2023, arXiv:2302.13971; Grattafiori et al. 2024, arXiv:2407.21783), and the parts that related models share.</summary>
internal static class Llama
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config.OnlyAbsentOr("pretraining_tp", 1);
        return Common(config) with
        {
            AttentionBias = config.Flag("attention_bias", false),
            AttentionOutputBias = config.Flag("attention_bias", false),
            FeedForwardBias = config.Flag("mlp_bias", false),
            AnsweringBase = "transformer",
        };
    }

    /// <summary>A pre-norm decoder with rotary positions, grouped-query attention and a gated feed-forward network, without biases.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="rotary">The rotary embedding; null for that of the configuration.</param>
    public static TransformerSpec Common(ModelConfig config, RotarySettings? rotary = null)
    {
        var hidden = config.Size("hidden_size");
        var heads = config.Size("num_attention_heads");
        return new TransformerSpec
        {
            Names = new TransformerNames(),
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = hidden,
            LayerCount = config.Size("num_hidden_layers"),
            HeadCount = heads,
            KeyValueHeadCount = config.Size("num_key_value_heads", heads),
            HeadSize = config.Size("head_dim", hidden / heads),
            IntermediateSize = config.Size("intermediate_size"),
            MaxPositions = config.Size("max_position_embeddings", 2048),
            Activation = Activation.Read(config, "hidden_act", "silu"),
            NormEpsilon = config.Number("rms_norm_eps", 1e-6),
            GatedFeedForward = true,
            Rotary = rotary ?? RotarySettings.Read(config),
            TiedHead = config.Flag("tie_word_embeddings", false),
            AttentionDropout = config.Number("attention_dropout", 0),
            TokenClassifier = new HeadSpec { Output = "score", Dropout = config.Number("classifier_dropout", config.Number("hidden_dropout", 0.1)) },
        };
    }

    /// <summary>The sliding window of each layer, null for full attention. <c>layer_types</c> says which layers have one; without it, <paramref name="fallback"/> does.</summary>
    public static int?[] Windows(ModelConfig config, int layers, int? window, Func<int, bool> fallback)
    {
        var result = new int?[layers];
        var types = config.Texts("layer_types");
        config.Refuse(types is not null && (types.Count != layers || types.Any(type => type is not ("sliding_attention" or "full_attention"))), "layer_types");
        for (var i = 0; i < layers; i++)
            if (types is null ? fallback(i) : types[i] == "sliding_attention") result[i] = window;
        return result;
    }
}
