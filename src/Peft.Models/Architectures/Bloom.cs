namespace Peft.Models.Architectures;

/// <summary>BLOOM (arXiv:2211.05100): linear biases of the attention scores in place of positions, and a norm over the embeddings.</summary>
internal static class Bloom
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config.Only("apply_residual_connection_post_layernorm", false);
        config.Only("slow_but_exact", false);
        var hidden = config.Size("hidden_size", config.Size("n_embed", 64));
        var heads = config.Size("n_head", config.Size("num_attention_heads", 8));
        var dropout = config.Number("hidden_dropout", 0);
        return new TransformerSpec
        {
            Names = new TransformerNames
            {
                Base = "transformer", Embedding = "word_embeddings", EmbeddingNorm = "word_embeddings_layernorm", Layers = "h", FinalNorm = "ln_f",
                Attention = "self_attention", QueryKeyValue = "query_key_value", AttentionOutput = "dense", Up = "dense_h_to_4h", Down = "dense_4h_to_h",
            },
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = hidden,
            LayerCount = config.Size("n_layer", config.Size("num_hidden_layers", 2)),
            HeadCount = heads,
            KeyValueHeadCount = heads,
            HeadSize = hidden / heads,
            IntermediateSize = 4 * hidden,
            MaxPositions = config.Size("seq_length", 2048),
            Activation = Activation.Named("gelu_pytorch_tanh"),
            Norm = NormKind.Layer,
            NormEpsilon = config.Number("layer_norm_epsilon", 1e-5),
            EmbeddingNorm = true,
            AttentionProjections = ProjectionLayout.JoinedPerHead,
            AttentionBias = true,
            AttentionOutputBias = true,
            FeedForwardBias = true,
            Alibi = new AlibiSettings(AlibiSettings.Halving(heads)) { CountsRealTokens = true },
            TiedHead = config.Flag("tie_word_embeddings", true),
            AttentionDropout = config.Number("attention_dropout", 0),
            ResidualDropout = dropout,
            TokenClassifier = new HeadSpec { Output = "classifier", Dropout = config.Number("classifier_dropout", dropout) },
        };
    }
}
