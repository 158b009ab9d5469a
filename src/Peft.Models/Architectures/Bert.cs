namespace Peft.Models.Architectures;

/// <summary>BERT (Devlin et al. 2018, arXiv:1810.04805), and the parts that RoBERTa shares with it.</summary>
internal static class Bert
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        var spec = Common(config, "bert");
        return spec with
        {
            Classifier = spec.Classifier with { Dense = "bert.pooler.dense" },
            MaskedHead = new HeadSpec
            {
                Dense = "cls.predictions.transform.dense", Activation = spec.Activation, Norm = "cls.predictions.transform.LayerNorm",
                Output = "cls.predictions.decoder", OutputBiasKey = "cls.predictions.bias",
            },
        };
    }

    /// <summary>A post-norm encoder with learned positions and token types.</summary>
    public static TransformerSpec Common(ModelConfig config, string name)
    {
        config.Only("is_decoder", false);
        config.Only("add_cross_attention", false);
        config.Refuse(config.Text("position_embedding_type", "absolute") != "absolute", "position_embedding_type");
        var hidden = config.Size("hidden_size", 768);
        var heads = config.Size("num_attention_heads", 12);
        config.Refuse(hidden % heads != 0, "num_attention_heads");
        var dropout = config.Number("hidden_dropout_prob", 0.1);
        var headDropout = config.Number("classifier_dropout", dropout);
        return new TransformerSpec
        {
            Names = new TransformerNames
            {
                Base = name, Embedding = "embeddings.word_embeddings", Positions = "embeddings.position_embeddings",
                TokenTypes = "embeddings.token_type_embeddings", EmbeddingNorm = "embeddings.LayerNorm", Layers = "encoder.layer",
                Attention = "attention", Query = "self.query", Key = "self.key", Value = "self.value", AttentionOutput = "output.dense",
                AttentionNorm = "attention.output.LayerNorm",
                FeedForward = null, Up = "intermediate.dense", Down = "output.dense", FeedForwardNorm = "output.LayerNorm",
            },
            Causal = false,
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = hidden,
            LayerCount = config.Size("num_hidden_layers", 12),
            HeadCount = heads,
            KeyValueHeadCount = heads,
            HeadSize = hidden / heads,
            IntermediateSize = config.Size("intermediate_size", 3072),
            MaxPositions = config.Size("max_position_embeddings", 512),
            Activation = Activation.Read(config, "hidden_act", "gelu"),
            Norm = NormKind.Layer,
            NormEpsilon = config.Number("layer_norm_eps", 1e-12),
            PostNorm = true,
            EmbeddingNorm = true,
            AttentionBias = true,
            AttentionOutputBias = true,
            FeedForwardBias = true,
            LearnedPositionOffset = 0,
            Positions = PositionRule.All,
            TokenTypeCount = config.Size("type_vocab_size", 2),
            TiedHead = config.Flag("tie_word_embeddings", true),
            EmbeddingDropout = dropout,
            AttentionDropout = config.Number("attention_probs_dropout_prob", 0.1),
            ResidualDropout = dropout,
            Classifier = new HeadSpec { Activation = Activation.Named("tanh"), Output = "classifier", Dropout = headDropout },
            TokenClassifier = new HeadSpec { Output = "classifier", Dropout = headDropout },
        };
    }
}
