namespace Peft.Models.Architectures;

/// <summary>DistilBERT (Sanh et al. 2019, arXiv:1910.01108): BERT without token types and pooler; its modules have different names.</summary>
internal static class DistilBert
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        var hidden = config.Size("dim", 768);
        var heads = config.Size("n_heads", 12);
        config.Refuse(hidden % heads != 0, "n_heads");
        var dropout = config.Number("dropout", 0.1);
        var activation = Activation.Read(config, "activation", "gelu");
        return new TransformerSpec
        {
            Names = new TransformerNames
            {
                Base = "distilbert", Embedding = "embeddings.word_embeddings", Positions = "embeddings.position_embeddings",
                EmbeddingNorm = "embeddings.LayerNorm", Layers = "transformer.layer",
                Attention = "attention", Query = "q_lin", Key = "k_lin", Value = "v_lin", AttentionOutput = "out_lin", AttentionNorm = "sa_layer_norm",
                FeedForward = "ffn", Up = "lin1", Down = "lin2", FeedForwardNorm = "output_layer_norm",
            },
            Causal = false,
            VocabularySize = config.Size("vocab_size", 30522),
            HiddenSize = hidden,
            LayerCount = config.Size("n_layers", 6),
            HeadCount = heads,
            KeyValueHeadCount = heads,
            HeadSize = hidden / heads,
            IntermediateSize = config.Size("hidden_dim", 3072),
            MaxPositions = config.Size("max_position_embeddings", 512),
            Activation = activation,
            Norm = NormKind.Layer,
            NormEpsilon = 1e-12,
            PostNorm = true,
            EmbeddingNorm = true,
            AttentionBias = true,
            AttentionOutputBias = true,
            FeedForwardBias = true,
            LearnedPositionOffset = 0,   // sinusoidal_pos_embds affects only their initialization; checkpoints store them either way
            Positions = PositionRule.All,
            TiedHead = config.Flag("tie_word_embeddings", true),
            EmbeddingDropout = dropout,
            AttentionDropout = config.Number("attention_dropout", 0.1),
            AttentionOutputDropout = 0,
            ResidualDropout = dropout,
            Classifier = new HeadSpec { Dense = "pre_classifier", Activation = Activation.Named("relu"), Output = "classifier", Dropout = config.Number("seq_classif_dropout", 0.2) },
            TokenClassifier = new HeadSpec { Output = "classifier", Dropout = dropout },
            QuestionAnswerer = new HeadSpec { Output = "qa_outputs", Dropout = config.Number("qa_dropout", 0.1) },
            MaskedHead = new HeadSpec { Dense = "vocab_transform", Activation = activation, Norm = "vocab_layer_norm", Output = "vocab_projector" },
        };
    }
}
