namespace Peft.Models.Architectures;

/// <summary>Seed-OSS: Llama with biases of query, key and value projections.</summary>
internal static class SeedOss
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config.OnlyAbsentOr("pretraining_tp", 1);
        config = config.Default("num_key_value_heads", 8).Default("head_dim", 128).Default("max_position_embeddings", 524288);
        return Llama.Common(config) with
        {
            AttentionBias = config.Flag("attention_bias", true),
            AttentionOutputBias = config.Flag("attention_out_bias", false),
            FeedForwardBias = config.Flag("mlp_bias", false),
            AttentionDropout = config.Number("attention_dropout", 0.1),
            ResidualDropout = config.Number("residual_dropout", 0.1),
            AnsweringBase = "transformer",
        };
    }
}
