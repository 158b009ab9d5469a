namespace Peft.Models.Architectures;

/// <summary>EXAONE 4 (arXiv:2507.11407): norms of outputs as in OLMo 2, norms of queries and keys per head, and rotary embeddings only in layers with a sliding window.</summary>
internal static class Exaone
{
    public static TransformerSpec Describe4(ModelConfig config)
    {
        config = config.Default("rms_norm_eps", 1e-5).Default("num_key_value_heads", 32);
        var spec = Llama.Common(config);
        int? window = config.Has("sliding_window") ? config.Size("sliding_window") : config.Contains("sliding_window") ? null : 4096;
        var period = window is null ? 1 : config.Size("sliding_window_pattern", 4);
        var windows = Llama.Windows(config, spec.LayerCount, window, layer => (layer + 1) % period != 0);
        return spec with
        {
            Names = Olmo.OutputNorms,
            NormsOutputsOnly = true,
            QueryKeyNorm = HeadNorm.PerHead,
            Windows = windows,
            RotaryLayers = window is null ? [] : [.. windows.Select(each => each is not null)],   // without windows, all layers have them
            AnsweringBase = "transformer",
        };
    }
}
