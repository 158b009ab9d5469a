namespace Peft.Models.Architectures;

/// <summary>Llama 1 to 3 (Touvron et al. 2023, arXiv:2302.13971; Grattafiori et al. 2024, arXiv:2407.21783).</summary>
internal static class Llama
{
    public static DecoderSpec Describe(ModelConfig config)
    {
        config.OnlyAbsentOr("pretraining_tp", 1);
        var hidden = config.Size("hidden_size");
        var heads = config.Size("num_attention_heads");
        return new DecoderSpec
        {
            Names = new DecoderNames(),
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
            AttentionBias = config.Flag("attention_bias", false),
            AttentionOutputBias = config.Flag("attention_bias", false),
            GatedFeedForward = true,
            FeedForwardBias = config.Flag("mlp_bias", false),
            Rotary = RotarySettings.Read(config),
            TiedHead = config.Flag("tie_word_embeddings", false),
            AttentionDropout = config.Number("attention_dropout", 0),
        };
    }
}
