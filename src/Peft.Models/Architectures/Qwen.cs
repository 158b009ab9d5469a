namespace Peft.Models.Architectures;

/// <summary>Qwen 2 and 2.5 (Yang et al. 2024, arXiv:2407.10671) and Qwen 3 (arXiv:2505.09388).</summary>
internal static class Qwen
{
    /// <summary>Llama with biases of query, key and value projections.</summary>
    public static TransformerSpec Describe2(ModelConfig config) => Common(config) with { AttentionBias = true };

    /// <summary>Llama with norms of queries and keys per head.</summary>
    public static TransformerSpec Describe3(ModelConfig config) => Common(config) with
    {
        QueryKeyNorm = HeadNorm.PerHead,
        HeadSize = config.Size("head_dim", 128),
        AttentionBias = config.Flag("attention_bias", false),
        AttentionOutputBias = config.Flag("attention_bias", false),
    };

    private static TransformerSpec Common(ModelConfig config)
    {
        config = config.Default("num_key_value_heads", 32).Default("max_position_embeddings", 32768);
        var spec = Llama.Common(config);
        int? window = config.Flag("use_sliding_window", false) ? Window(config) : null;
        var first = config.Integer("max_window_layers", 28);
        return spec with { AnsweringBase = "transformer", Windows = Llama.Windows(config, spec.LayerCount, window, layer => layer >= first) };
    }

    // A null disables the window even if use_sliding_window is true.
    private static int? Window(ModelConfig config) => config.Has("sliding_window") ? config.Size("sliding_window") : config.Contains("sliding_window") ? null : 4096;
}
