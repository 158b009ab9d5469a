namespace Peft.Models.Architectures;

/// <summary>GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners").</summary>
internal static class Gpt2
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config.Only("add_cross_attention", false);
        var hidden = config.Size("n_embd", 768);
        var heads = config.Size("n_head", 12);
        return new TransformerSpec
        {
            Names = new TransformerNames
            {
                Base = "transformer", Embedding = "wte", Positions = "wpe", Layers = "h", FinalNorm = "ln_f",
                Attention = "attn", QueryKeyValue = "c_attn", AttentionOutput = "c_proj",
                Up = "c_fc", Down = "c_proj", AttentionNorm = "ln_1", FeedForwardNorm = "ln_2",
            },
            VocabularySize = config.Size("vocab_size", 50257),
            HiddenSize = hidden,
            LayerCount = config.Size("n_layer", 12),
            HeadCount = heads,
            KeyValueHeadCount = heads,
            HeadSize = hidden / heads,
            IntermediateSize = config.Size("n_inner", 4 * hidden),
            MaxPositions = config.Size("n_positions", 1024),
            Activation = Activation.Read(config, "activation_function", "gelu_new"),
            Norm = NormKind.Layer,
            NormEpsilon = config.Number("layer_norm_epsilon", 1e-5),
            AttentionScale = config.Flag("scale_attn_weights", true) ? null : 1,
            DividesScoresByLayer = config.Flag("scale_attn_by_inverse_layer_idx", false),
            TransposedProjections = true,
            AttentionProjections = ProjectionLayout.Joined,
            AttentionBias = true,
            AttentionOutputBias = true,
            FeedForwardBias = true,
            LearnedPositionOffset = 0,
            TiedHead = config.Flag("tie_word_embeddings", true),
            EmbeddingDropout = config.Number("embd_pdrop", 0.1),
            AttentionDropout = config.Number("attn_pdrop", 0.1),
            ResidualDropout = config.Number("resid_pdrop", 0.1),
            ScaledResidualInit = true,
            TokenClassifier = new HeadSpec { Output = "classifier", Dropout = config.Number("classifier_dropout", config.Number("hidden_dropout", 0.1)) },
        };
    }
}
