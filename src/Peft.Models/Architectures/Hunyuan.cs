namespace Peft.Models.Architectures;

/// <summary>Hunyuan, dense: Llama with norms of queries and keys after the rotary embedding.</summary>
internal static class Hunyuan
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config.OnlyAbsentOr("pretraining_tp", 1);
        config = config.Default("rms_norm_eps", 1e-5);
        var size = config.Size("head_dim", config.Size("hidden_size") / config.Size("num_attention_heads"));
        var spec = Llama.Common(config, Rotary(config, size));
        var bias = config.Flag("attention_bias", false);
        return spec with
        {
            Names = spec.Names with { QueryNorm = "query_layernorm", KeyNorm = "key_layernorm" },
            QueryKeyNorm = HeadNorm.AfterRotary,
            AttentionBias = bias,
            AttentionOutputBias = bias,
            QuestionAnswerer = null,
        };
    }

    // "dynamic" with alpha changes the base once and for all.
    private static RotarySettings Rotary(ModelConfig config, int size)
    {
        var rope = config.Object("rope_scaling") is { Count: > 0 } older ? older : config.Object("rope_parameters");
        if (rope?["alpha"] is null || (rope["rope_type"] ?? rope["type"])?.ToString() != "dynamic") return RotarySettings.Read(config);
        var fields = new RopeFields(config, "rope_parameters", rope);
        var theta = fields.Number("rope_theta") ?? config.Number("rope_theta", 10_000);
        return new RotarySettings(fields.Number("alpha") is > 0 and var alpha ? theta * Math.Pow(alpha, size / (size - 2.0)) : theta);
    }
}
