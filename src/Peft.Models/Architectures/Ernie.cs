namespace Peft.Models.Architectures;

/// <summary>ERNIE 4.5: Llama with interleaved rotary embeddings.</summary>
internal static class Ernie
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config = config.Default("num_key_value_heads", 2).Default("head_dim", 128).Default("max_position_embeddings", 131072).Default("rms_norm_eps", 1e-5);
        var bias = config.Flag("use_bias", false);
        return Llama.Common(config, RotarySettings.Read(config, defaultBase: 500_000) with { IsInterleaved = true }) with
        {
            AttentionBias = bias,
            AttentionOutputBias = bias,
            FeedForwardBias = bias,
            TiedHead = config.Flag("tie_word_embeddings", true),
            QuestionAnswerer = null,
        };
    }
}
