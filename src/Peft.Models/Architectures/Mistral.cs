namespace Peft.Models.Architectures;

/// <summary>Mistral 7B (Jiang et al. 2023, arXiv:2310.06825): Llama with a sliding window on every layer; and Ministral, which has one on some.</summary>
internal static class Mistral
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config = config.Default("num_key_value_heads", 8).Default("max_position_embeddings", 131072).Default("sliding_window", 4096);
        var spec = Llama.Common(config);
        // null means no window. A missing field means 4096, the value of the first release.
        int? window = config.Has("sliding_window") ? config.Size("sliding_window") : null;
        return spec with { Windows = Llama.Windows(config, spec.LayerCount, window, _ => true) };
    }
}
