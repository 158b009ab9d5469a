namespace Peft.Models.Architectures;

/// <summary>Granite 3: Llama with factors of the embeddings, the attention scores, the residual branches and the logits (Shen et al. 2024, arXiv:2408.13359).</summary>
internal static class Granite
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        var bias = config.Flag("attention_bias", false);
        return Llama.Common(config) with
        {
            EmbeddingScale = config.Number("embedding_multiplier", 1),
            AttentionScale = config.Number("attention_multiplier", 1),
            ResidualScale = config.Number("residual_multiplier", 1),
            HeadScale = 1 / config.Number("logits_scaling", 1),
            AttentionBias = bias,
            AttentionOutputBias = bias,
            FeedForwardBias = config.Flag("mlp_bias", false),
            QuestionAnswerer = null,
        };
    }
}
