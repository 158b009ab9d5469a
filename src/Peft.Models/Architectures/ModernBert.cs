namespace Peft.Models.Architectures;

/// <summary>ModernBERT (Warner et al. 2024, arXiv:2412.13663): a pre-norm encoder with rotary embeddings, a gated feed-forward network, and windows on two of three layers.</summary>
internal static class ModernBert
{
    private const string Full = "full_attention", Sliding = "sliding_attention";

    public static TransformerSpec Describe(ModelConfig config)
    {
        var (hidden, heads, layers) = (config.Size("hidden_size", 768), config.Size("num_attention_heads", 12), config.Size("num_hidden_layers", 22));
        config.Refuse(hidden % heads != 0, "num_attention_heads");
        var (attentionBias, feedForwardBias, normBias) = (config.Flag("attention_bias", false), config.Flag("mlp_bias", false), config.Flag("norm_bias", false));
        var (dropout, period) = (config.Number("attention_dropout", 0), config.Size("global_attn_every_n_layers", 3));
        var head = new HeadSpec
        {
            Dense = "head.dense", DenseBias = config.Flag("classifier_bias", false), Activation = Activation.Read(config, "classifier_activation", "gelu"),
            Norm = "head.norm", NormBias = normBias, Output = "classifier", Dropout = config.Number("classifier_dropout", 0),
        };
        return new TransformerSpec
        {
            Names = new TransformerNames
            {
                Base = "model", Embedding = "embeddings.tok_embeddings", EmbeddingNorm = "embeddings.norm", FinalNorm = "final_norm",
                Attention = "attn", QueryKeyValue = "Wqkv", AttentionOutput = "Wo", AttentionNorm = "attn_norm", GateUp = "Wi", Down = "Wo", FeedForwardNorm = "mlp_norm",
            },
            Causal = false,
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = hidden,
            LayerCount = layers,
            HeadCount = heads,
            KeyValueHeadCount = heads,
            HeadSize = hidden / heads,
            IntermediateSize = config.Size("intermediate_size", 1152),
            MaxPositions = config.Size("max_position_embeddings", 8192),
            Activation = Activation.Read(config, "hidden_activation", "gelu"),
            Norm = NormKind.Layer,
            NormBias = normBias,
            NormEpsilon = config.Number("norm_eps", 1e-5),
            EmbeddingNorm = true,
            SkipsFirstNorm = true,
            AttentionProjections = ProjectionLayout.Joined,
            AttentionBias = attentionBias,
            AttentionOutputBias = attentionBias,
            FusedGate = true,
            FeedForwardBias = feedForwardBias,
            Windows = Llama.Windows(config, layers, config.Size("local_attention", 128) / 2 + 1, layer => layer % period != 0),
            Rotary = RotarySettings.Read(config, Full, config.Number("global_rope_theta", 160_000), defaultPositions: 8192),
            WindowRotary = RotarySettings.Read(config, Sliding, config.Number("local_rope_theta", 10_000), defaultPositions: 8192),
            TiedHead = config.Flag("tie_word_embeddings", true),
            EmbeddingDropout = config.Number("embedding_dropout", 0),
            AttentionDropout = dropout,
            AttentionOutputDropout = dropout,
            FeedForwardDropout = config.Number("mlp_dropout", 0),
            Classifier = head,
            TokenClassifier = head,
            QuestionAnswerer = null,   // Hugging Face PEFT does not train its head, which is called classifier
            MaskedHead = head with { Output = "decoder", OutputBias = config.Flag("decoder_bias", true), Dropout = 0 },
        };
    }
}
