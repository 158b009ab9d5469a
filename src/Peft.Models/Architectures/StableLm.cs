namespace Peft.Models.Architectures;

/// <summary>StableLM (Bellagente et al. 2024, arXiv:2402.17834): Llama with layer norms and rotary embeddings on a quarter of each head.</summary>
internal static class StableLm
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config.Only("qk_layernorm", false);
        config = config.Default("num_key_value_heads", 32).Default("max_position_embeddings", 4096);
        var parallel = config.Flag("use_parallel_residual", false);
        return Llama.Common(config, RotarySettings.Read(config, defaultPartial: 0.25)) with
        {
            Norm = NormKind.Layer,
            NormEpsilon = config.Number("layer_norm_eps", 1e-5),
            AttentionBias = config.Flag("use_qkv_bias", false),
            ParallelResidual = parallel,
            SharedNorm = parallel,
            ResidualDropout = config.Number("hidden_dropout", 0),
            AttentionOutputDropout = 0,
            TokenClassifier = new HeadSpec { Output = "score", Dropout = config.Number("classifier_dropout", config.Number("hidden_dropout", 0)) },
            QuestionAnswerer = null,
        };
    }
}
