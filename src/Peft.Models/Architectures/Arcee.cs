namespace Peft.Models.Architectures;

/// <summary>AFM (Arcee): Llama with a plain feed-forward network with squared ReLU.</summary>
internal static class Arcee
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config = config.Default("max_position_embeddings", 4096).Default("rms_norm_eps", 1e-5);
        var bias = config.Flag("attention_bias", false);
        return Llama.Common(config) with
        {
            Activation = Activation.Read(config, "hidden_act", "relu2"),
            GatedFeedForward = false,
            AttentionBias = bias,
            AttentionOutputBias = bias,
            FeedForwardBias = config.Flag("mlp_bias", false),
            AnsweringBase = "transformer",
        };
    }
}
