namespace Peft.Models.Architectures;

/// <summary>GLM-4 (arXiv:2406.12793) in the formats <c>glm</c> and <c>glm4</c>: interleaved rotary embeddings on half of each head, gate and up projection joined.</summary>
internal static class Glm
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config = config.Default("num_key_value_heads", 2).Default("head_dim", 128).Default("max_position_embeddings", 131072).Default("rms_norm_eps", 1.5625e-7);
        return Llama.Common(config, RotarySettings.Read(config, defaultPartial: 0.5) with { IsInterleaved = true }) with
        {
            FusedGate = true,
            AttentionBias = config.Flag("attention_bias", true),
            QuestionAnswerer = null,
        };
    }

    /// <summary>GLM with norms of the outputs of attention and feed-forward network.</summary>
    public static TransformerSpec Describe4(ModelConfig config)
    {
        var spec = Describe(config);
        return spec with { Names = spec.Names with { AttentionOutputNorm = "post_self_attn_layernorm", FeedForwardOutputNorm = "post_mlp_layernorm" } };
    }
}
