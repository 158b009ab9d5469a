namespace Peft.Models.Architectures;

/// <summary>OLMo 2 (Walsh et al. 2024, arXiv:2501.00656) and 3: Llama that normalizes the outputs of attention and feed-forward network instead of their inputs, and whole queries and keys.</summary>
internal static class Olmo
{
    /// <summary>Names of models that normalize outputs only.</summary>
    public static readonly TransformerNames OutputNorms = new() { AttentionOutputNorm = "post_attention_layernorm", FeedForwardOutputNorm = "post_feedforward_layernorm" };

    public static TransformerSpec Describe2(ModelConfig config)
    {
        config = config.Default("rms_norm_eps", 1e-5);
        var bias = config.Flag("attention_bias", false);
        return Llama.Common(config) with
        {
            Names = OutputNorms,
            NormsOutputsOnly = true,
            QueryKeyNorm = HeadNorm.Whole,
            AttentionBias = bias,
            AttentionOutputBias = bias,
            QuestionAnswerer = null,
        };
    }

    /// <summary>OLMo 2 with a sliding window on three of four layers.</summary>
    public static TransformerSpec Describe3(ModelConfig config)
    {
        var spec = Describe2(config);
        return spec with { Windows = Llama.Windows(config, spec.LayerCount, config.Size("sliding_window", 4096), layer => (layer + 1) % 4 != 0) };
    }
}
