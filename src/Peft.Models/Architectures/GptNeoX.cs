namespace Peft.Models.Architectures;

/// <summary>GPT-NeoX and Pythia (Black et al. 2022, arXiv:2204.06745).</summary>
internal static class GptNeoX
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        var hidden = config.Size("hidden_size");
        var heads = config.Size("num_attention_heads");
        var bias = config.Flag("attention_bias", true);
        return new TransformerSpec
        {
            Names = new TransformerNames
            {
                Base = "gpt_neox", Embedding = "embed_in", FinalNorm = "final_layer_norm", Head = "embed_out",
                Attention = "attention", QueryKeyValue = "query_key_value", AttentionOutput = "dense",
                Up = "dense_h_to_4h", Down = "dense_4h_to_h",
            },
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = hidden,
            LayerCount = config.Size("num_hidden_layers"),
            HeadCount = heads,
            KeyValueHeadCount = heads,
            HeadSize = hidden / heads,
            IntermediateSize = config.Size("intermediate_size"),
            MaxPositions = config.Size("max_position_embeddings", 2048),
            Activation = Activation.Read(config, "hidden_act", "gelu"),
            Norm = NormKind.Layer,
            NormEpsilon = config.Number("layer_norm_eps", 1e-5),
            AttentionProjections = ProjectionLayout.JoinedPerHead,
            AttentionBias = bias,
            AttentionOutputBias = bias,
            FeedForwardBias = true,
            ParallelResidual = config.Flag("use_parallel_residual", true),
            Rotary = RotarySettings.Read(config, null, config.Number("rotary_emb_base", 10000), config.Number("rotary_pct", 0.25)),
            TiedHead = config.Flag("tie_word_embeddings", false),
            EmbeddingDropout = config.Number("hidden_dropout", 0),
            AttentionDropout = config.Number("attention_dropout", 0),
            ResidualDropout = config.Number("hidden_dropout", 0),
            TokenClassifier = new HeadSpec { Output = "classifier", Dropout = config.Number("classifier_dropout", 0.1) },
        };
    }
}
