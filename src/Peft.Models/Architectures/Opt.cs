namespace Peft.Models.Architectures;

/// <summary>OPT (Zhang et al. 2022, arXiv:2205.01068).</summary>
internal static class Opt
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config.Only("do_layer_norm_before", true);
        config.Only("layer_norm_elementwise_affine", true);
        config.Only("_remove_final_layer_norm", false);
        config.OnlyAbsentOr("layerdrop", 0);
        var hidden = config.Size("hidden_size");
        config.OnlyAbsentOr("word_embed_proj_dim", hidden);
        var heads = config.Size("num_attention_heads");
        var bias = config.Flag("enable_bias", true);
        return new TransformerSpec
        {
            Names = new TransformerNames
            {
                Base = "model.decoder", FinalNorm = "final_layer_norm", AttentionOutput = "out_proj",
                AttentionOrder = ["k_proj", "v_proj", "q_proj", "out_proj"],
                FeedForward = null, Up = "fc1", Down = "fc2",
                AttentionNorm = "self_attn_layer_norm", FeedForwardNorm = "final_layer_norm",
            },
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = hidden,
            LayerCount = config.Size("num_hidden_layers"),
            HeadCount = heads,
            KeyValueHeadCount = heads,
            HeadSize = hidden / heads,
            IntermediateSize = config.Size("ffn_dim"),
            MaxPositions = config.Size("max_position_embeddings", 2048),
            Activation = Activation.Read(config, "activation_function", "relu"),
            Norm = NormKind.Layer,
            NormEpsilon = 1e-5,
            AttentionBias = bias,
            AttentionOutputBias = bias,
            FeedForwardBias = bias,
            LearnedPositionOffset = 2,
            Positions = PositionRule.RealTokens,
            TiedHead = config.Flag("tie_word_embeddings", true),
            EmbeddingDropout = config.Number("dropout", 0.1),
            AttentionDropout = config.Number("attention_dropout", 0),
            ResidualDropout = config.Number("dropout", 0.1),
        };
    }
}
