namespace Peft.Models.Architectures;

/// <summary>Helium: Llama with interleaved rotary embeddings.</summary>
internal static class Helium
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config = config.Default("num_key_value_heads", 20).Default("head_dim", 128).Default("max_position_embeddings", 4096).Default("rms_norm_eps", 1e-8);
        return Llama.Common(config, RotarySettings.Read(config, defaultBase: 100_000) with { IsInterleaved = true }) with
        {
            AttentionBias = config.Flag("attention_bias", false),
            FeedForwardBias = config.Flag("mlp_bias", false),
            QuestionAnswerer = null,
        };
    }
}
