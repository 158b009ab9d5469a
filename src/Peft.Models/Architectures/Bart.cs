namespace Peft.Models.Architectures;

/// <summary>BART (Lewis et al. 2019, arXiv:1910.13461) and mBART (Liu et al. 2020, arXiv:2001.08210).</summary>
internal static class Bart
{
    /// <summary>Two post-norm stacks with learned positions.</summary>
    public static TransformerSpec Describe(ModelConfig config)
    {
        config.Only("is_encoder_decoder", true);
        config.Only("is_decoder", false);
        config.OnlyAbsentOr("encoder_layerdrop", 0);
        config.OnlyAbsentOr("decoder_layerdrop", 0);
        var dropout = config.Number("classifier_dropout", 0);
        return Stack(config, "decoder") with
        {
            Encoder = Stack(config, "encoder") with { Causal = false },
            StackPath = "model",
            ClassifyingBase = "model",
            TiedHead = config.Flag("tie_word_embeddings", true),
            Classifier = new HeadSpec { Dense = "classification_head.dense", Activation = Activation.Named("tanh"), Output = "classification_head.out_proj", InputDropout = dropout, Dropout = dropout },
        };
    }

    /// <summary>Pre-norm, with a norm after each stack.</summary>
    public static TransformerSpec DescribeMultilingual(ModelConfig config)
    {
        var spec = Describe(config);
        const string norm = "layer_norm";
        return spec with
        {
            PostNorm = false,
            Names = spec.Names with { FinalNorm = norm },
            Encoder = spec.Encoder! with { PostNorm = false, Names = spec.Encoder.Names with { FinalNorm = norm } },
            StartsWithLastLabel = true,
        };
    }

    private static TransformerSpec Stack(ModelConfig config, string name)
    {
        var (hidden, heads) = (config.Size("d_model", 1024), config.Size($"{name}_attention_heads", 16));
        config.Refuse(hidden % heads != 0, $"{name}_attention_heads");
        var dropout = config.Number("dropout", 0.1);
        return new TransformerSpec
        {
            Names = new TransformerNames
            {
                Base = name, Embedding = "shared", EmbeddingNorm = "layernorm_embedding",
                AttentionOutput = "out_proj", AttentionOrder = ["k_proj", "v_proj", "q_proj", "out_proj"], AttentionNorm = "self_attn_layer_norm",
                FeedForward = null, Up = "fc1", Down = "fc2", FeedForwardNorm = "final_layer_norm",
            },
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = hidden,
            LayerCount = config.Size($"{name}_layers", 12),
            HeadCount = heads,
            KeyValueHeadCount = heads,
            HeadSize = hidden / heads,
            IntermediateSize = config.Size($"{name}_ffn_dim", 4096),
            MaxPositions = config.Size("max_position_embeddings", 1024),
            Activation = Activation.Read(config, "activation_function", "gelu"),
            Norm = NormKind.Layer,
            NormEpsilon = 1e-5,
            PostNorm = true,
            EmbeddingNorm = true,
            AttentionBias = true,
            AttentionOutputBias = true,
            FeedForwardBias = true,
            LearnedPositionOffset = 2,
            Positions = PositionRule.All,
            EmbeddingScale = config.Flag("scale_embedding", false) ? Math.Sqrt(hidden) : 1,
            ScalesAtLookup = true,
            EmbeddingDropout = dropout,
            AttentionDropout = config.Number("attention_dropout", 0),
            ResidualDropout = dropout,
            FeedForwardDropout = config.Number("activation_dropout", 0),
        };
    }
}
