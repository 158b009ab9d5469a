using System.Text.Json.Nodes;

namespace Peft.Models.Architectures;

/// <summary>Phi-3 (Abdin et al. 2024, arXiv:2404.14219): Llama with joined projections.</summary>
internal static class Phi3
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config = LongRope(config.Default("max_position_embeddings", 4096).Default("original_max_position_embeddings", 4096).Default("rms_norm_eps", 1e-5));
        var spec = Llama.Common(config);
        int? window = config.Has("sliding_window") ? config.Size("sliding_window") : null;
        return spec with
        {
            Names = spec.Names with { AttentionOrder = ["o_proj", "qkv_proj"] },
            AttentionProjections = ProjectionLayout.Joined,
            FusedGate = true,
            QuestionAnswerer = null,
            EmbeddingDropout = config.Number("embd_pdrop", 0),
            ResidualDropout = config.Number("resid_pdrop", 0),
            Windows = Llama.Windows(config, spec.LayerCount, window, _ => true),
        };
    }

    // Early configurations name LongRoPE "su" or "yarn". No other types exist for this model, and transformers rejects them.
    private static ModelConfig LongRope(ModelConfig config)
    {
        foreach (var name in (ReadOnlySpan<string>)["rope_scaling", "rope_parameters"])
        {
            if (config.Object(name) is not { Count: > 0 } rope) continue;
            var kind = (rope["rope_type"] ?? rope["type"])?.ToString();
            config.Refuse(kind is not (null or "default" or "longrope" or "su" or "yarn"), name);
            if (kind != "yarn") continue;
            var renamed = (JsonObject)rope.DeepClone();
            renamed["rope_type"] = "longrope";
            config = config.With(name, renamed);
        }
        return config;
    }
}
