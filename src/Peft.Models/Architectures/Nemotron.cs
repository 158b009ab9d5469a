namespace Peft.Models.Architectures;

/// <summary>Nemotron 4 (arXiv:2402.16819): layer norms that store w − 1, a feed-forward network with squared ReLU, rotary embeddings on half of each head.</summary>
internal static class Nemotron
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config = config.Default("max_position_embeddings", 4096);
        var bias = config.Flag("attention_bias", false);
        return Llama.Common(config, RotarySettings.Read(config, defaultPartial: 0.5)) with
        {
            Norm = NormKind.Layer,
            NormOffset = 1,
            NormEpsilon = config.Number("norm_eps", 1e-5),
            Activation = Activation.Read(config, "hidden_act", "relu2"),
            GatedFeedForward = false,
            AttentionBias = bias,
            AttentionOutputBias = bias,
            FeedForwardBias = config.Flag("mlp_bias", false),
            AnsweringBase = "transformer",
        };
    }
}
