namespace Peft.Models.Architectures;

/// <summary>GPT-J (Wang and Komatsuzaki 2021): attention and feed-forward network side by side behind one layer norm, interleaved rotary embeddings on a part of each head.</summary>
internal static class GptJ
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        var (hidden, heads) = (config.Size("n_embd", 4096), config.Size("n_head", 16));
        var size = hidden / heads;
        var rotated = config.Size("rotary_dim", 64);
        config.Refuse(rotated % 2 != 0 || rotated > size || (config.Contains("rotary_dim") && !config.Has("rotary_dim")), "rotary_dim");
        return new TransformerSpec
        {
            Names = new TransformerNames
            {
                Base = "transformer", Embedding = "wte", Layers = "h", FinalNorm = "ln_f",
                Attention = "attn", AttentionOutput = "out_proj", AttentionOrder = ["k_proj", "v_proj", "q_proj", "out_proj"],
                Up = "fc_in", Down = "fc_out", AttentionNorm = "ln_1",
            },
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = hidden,
            LayerCount = config.Size("n_layer", 28),
            HeadCount = heads,
            KeyValueHeadCount = heads,
            HeadSize = size,
            IntermediateSize = config.Size("n_inner", 4 * hidden),
            MaxPositions = config.Size("n_positions", 2048),
            Activation = Activation.Read(config, "activation_function", "gelu_new"),
            Norm = NormKind.Layer,
            NormEpsilon = config.Number("layer_norm_epsilon", 1e-5),
            ParallelResidual = true,
            SharedNorm = true,
            FeedForwardBias = true,
            HeadBias = true,
            Rotary = new RotarySettings(10_000) { RotatedFraction = (double)rotated / size, IsInterleaved = true },
            TiedHead = config.Flag("tie_word_embeddings", false),
            EmbeddingDropout = config.Number("embd_pdrop", 0),
            AttentionDropout = config.Number("attn_pdrop", 0),
            ResidualDropout = config.Number("resid_pdrop", 0),
        };
    }
}
