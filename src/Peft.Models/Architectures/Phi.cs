namespace Peft.Models.Architectures;

/// <summary>Phi 1 to 2 (Gunasekar et al. 2023, arXiv:2306.11644): attention and feed-forward network side by side behind one layer norm, biases everywhere.</summary>
internal static class Phi
{
    public static TransformerSpec Describe(ModelConfig config)
    {
        config.Only("qk_layernorm", false);
        var spec = Llama.Common(config, RotarySettings.Read(config, defaultPartial: 0.5));
        return spec with
        {
            Names = spec.Names with { AttentionOutput = "dense", AttentionOrder = ["q_proj", "k_proj", "v_proj", "dense"], Up = "fc1", Down = "fc2", FinalNorm = "final_layernorm" },
            Norm = NormKind.Layer,
            NormEpsilon = config.Number("layer_norm_eps", 1e-5),
            Activation = Activation.Read(config, "hidden_act", "gelu_new"),
            GatedFeedForward = false,
            ParallelResidual = true,
            SharedNorm = true,
            AttentionBias = true,
            AttentionOutputBias = true,
            FeedForwardBias = true,
            HeadBias = true,
            EmbeddingDropout = config.Number("embd_pdrop", 0),
            ResidualDropout = config.Number("resid_pdrop", 0),
            QuestionAnswerer = null,
        };
    }
}
