namespace Peft.Models.Architectures;

/// <summary>Mistral 7B (Jiang et al. 2023, arXiv:2310.06825): Llama with a window on every layer.</summary>
internal static class Mistral
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        var spec = Llama.Common(config);
        // transformers takes 4096 where an older file leaves the field out; null means no window.
        int? window = config.Has("sliding_window") ? config.Size("sliding_window") : null;
        return spec with { Windows = Llama.Windows(config, spec.LayerCount, window, _ => true) };
    }
}
