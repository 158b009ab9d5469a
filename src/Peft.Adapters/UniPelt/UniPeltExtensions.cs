namespace Peft;

/// <summary>
/// UniPELT (Mao et al. 2021, arXiv:2110.07577): a prefix, bottlenecks after the feed-forward networks and LoRA in one adapter, each scaled by a
/// gate that it computes from its input.
/// </summary>
public static class UniPeltExtensions
{
    /// <summary>The options. The defaults are the Adapters library's.</summary>
    /// <param name="virtualTokens">Length of the prefix.</param>
    /// <param name="encoderSize">Hidden width of the prefix's projection.</param>
    /// <param name="reductionFactor">Width of the model divided by the width of the bottlenecks.</param>
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

    /// <summary>Freezes a model and adds a UniPELT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="virtualTokens">Length of the prefix.</param>
    /// <param name="encoderSize">Hidden width of the prefix's projection.</param>
    /// <param name="reductionFactor">Width of the model divided by the width of the bottlenecks.</param>
    /// <param name="rank">Rank of the LoRA.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="AdapterOptionsException">The options are invalid.</exception>
    /// <exception cref="TargetNotFoundException">The architecture has no default positions for bottlenecks or LoRA.</exception>
    public static PeftModel ApplyUniPelt(this IPromptedModel model, int virtualTokens = 10, int encoderSize = 512, double reductionFactor = 16, int rank = 8, string name = PeftModel.DefaultName)
        => ((TorchSharp.torch.nn.Module)model).ApplyAdapter(Options(virtualTokens, encoderSize, reductionFactor, rank), name);
}
