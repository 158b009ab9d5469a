namespace Peft.Models.Architectures;

/// <summary>Falcon 7B, 40B, 180B and RW (Almazrouei et al. 2023, arXiv:2311.16867).</summary>
internal static class Falcon
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        var (hidden, heads) = (config.Size("hidden_size"), config.Size("num_attention_heads"));
        var (isNew, one, parallel) = (config.Flag("new_decoder_architecture", false), config.Flag("multi_query", true), config.Flag("parallel_attn", true));
        config.Refuse(isNew && !parallel, "parallel_attn");
        var twoNorms = parallel && config.Size("num_ln_in_parallel_attn", isNew ? 2 : 1) == 2;
        config.Refuse(twoNorms && !isNew, "num_ln_in_parallel_attn");
        var (bias, dropout) = (config.Flag("bias", false), config.Number("hidden_dropout", 0));
        return new TransformerSpec
        {
            Names = new TransformerNames
            {
                Base = "transformer", Embedding = "word_embeddings", Layers = "h", FinalNorm = "ln_f",
                Attention = "self_attention", QueryKeyValue = "query_key_value", AttentionOutput = "dense", Up = "dense_h_to_4h", Down = "dense_4h_to_h",
                AttentionNorm = twoNorms ? "ln_attn" : "input_layernorm", FeedForwardNorm = twoNorms ? "ln_mlp" : "post_attention_layernorm",
            },
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = hidden,
            LayerCount = config.Size("num_hidden_layers"),
            HeadCount = heads,
            KeyValueHeadCount = isNew ? config.Size("num_kv_heads", heads) : one ? 1 : heads,
            HeadSize = hidden / heads,
            IntermediateSize = config.Size("ffn_hidden_size", 4 * hidden),
            MaxPositions = config.Size("max_position_embeddings", 2048),
            Activation = Activation.Read(config, "activation", "gelu"),
            Norm = NormKind.Layer,
            NormEpsilon = config.Number("layer_norm_epsilon", 1e-5),
            AttentionProjections = isNew ? ProjectionLayout.JoinedPerGroup : one ? ProjectionLayout.Joined : ProjectionLayout.JoinedPerHead,
            AttentionBias = bias,
            AttentionOutputBias = bias,
            FeedForwardBias = bias,
            ParallelResidual = parallel,
            SharedNorm = parallel && !twoNorms,
            Rotary = config.Flag("alibi", false) ? null : RotarySettings.Read(config),
            Alibi = config.Flag("alibi", false) ? new AlibiSettings(AlibiSettings.Halving(heads)) { CountsRealTokens = true, Rounds = true, Scale = 1 / Math.Sqrt((double)hidden / heads) } : null,
            TiedHead = config.Flag("tie_word_embeddings", true),
            AttentionDropout = config.Number("attention_dropout", 0),
            ResidualDropout = dropout,
            AttentionOutputDropout = parallel ? dropout : config.Number("attention_dropout", 0),
            TokenClassifier = new HeadSpec { Output = "classifier", Dropout = config.Number("classifier_dropout", dropout) },
        };
    }
}
