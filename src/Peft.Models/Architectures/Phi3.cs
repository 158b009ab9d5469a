namespace Peft.Models.Architectures;

/// <summary>Phi-3 (Abdin et al. 2024, arXiv:2404.14219): Llama with joined projections.</summary>
internal static class Phi3
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        var spec = Llama.Common(config);
        int? window = config.Has("sliding_window") ? config.Size("sliding_window") : null;
        return spec with
        {
            AttentionProjections = ProjectionLayout.Joined,
            FusedGate = true,
            EmbeddingDropout = config.Number("embd_pdrop", 0),
            ResidualDropout = config.Number("resid_pdrop", 0),
            Windows = Llama.Windows(config, spec.LayerCount, window, _ => true),
        };
    }
}
