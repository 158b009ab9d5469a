namespace Peft;

/// <summary>
/// UniPELT (Mao et al. 2021, arXiv:2110.07577): a prefix, bottlenecks after the feed-forward networks and LoRA as one adapter, each with a gate that
/// learns from its input how much it is worth.
/// </summary>
public static class UniPeltExtensions
{
    /// <summary>The options. Defaults are the Adapters library's.</summary>
    /// <param name="virtualTokens">Length of the prefix.</param>
    /// <param name="encoderSize">Width of the prefix's projection.</param>
    /// <param name="reductionFactor">Width of the model divided by that of the bottlenecks.</param>
    /// <param name="rank">Rank of the LoRA.</param>
    public static UnionOptions Options(int virtualTokens = 10, int encoderSize = 512, double reductionFactor = 16, int rank = 8) => new()
    {
        Parts =
        [
            new PrefixTuningOptions { VirtualTokens = virtualTokens, Projection = true, EncoderSize = encoderSize, UseGating = true },
            BottleneckOptions.Pfeiffer with { ReductionFactor = reductionFactor, UseGating = true },
            new GatedLoraOptions { Rank = rank },
        ],
    };

    /// <summary>Freezes a model and gives it a UniPELT adapter.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="virtualTokens">Length of the prefix.</param>
    /// <param name="encoderSize">Width of the prefix's projection.</param>
    /// <param name="reductionFactor">Width of the model divided by that of the bottlenecks.</param>
    /// <param name="rank">Rank of the LoRA.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="AdapterOptionsException">The options are invalid.</exception>
    /// <exception cref="TargetNotFoundException">The architecture has no usual places for bottlenecks or LoRA.</exception>
    public static PeftModel ApplyUniPelt(this IPromptedModel model, int virtualTokens = 10, int encoderSize = 512, double reductionFactor = 16, int rank = 8, string name = PeftModel.DefaultName)
        => ((TorchSharp.torch.nn.Module)model).ApplyAdapter(Options(virtualTokens, encoderSize, reductionFactor, rank), name);
}
