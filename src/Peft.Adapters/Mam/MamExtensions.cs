namespace Peft;

/// <summary>Mix-and-match adapters (He et al. 2021, arXiv:2110.04366): a prefix and parallel bottlenecks in one adapter.</summary>
public static class MamExtensions
{
    /// <summary>Options for a prefix with a projection and a scaled bottleneck in parallel to each feed-forward network. The defaults are AdapterHub's.</summary>
    /// <param name="virtualTokens">Length of the prefix.</param>
    /// <param name="encoderSize">Hidden width of the prefix's projection.</param>
    /// <param name="reductionFactor">Width of the model divided by the width of the bottlenecks.</param>
    public static UnionOptions Options(int virtualTokens = 30, int encoderSize = 800, double reductionFactor = 2) => new()
    {
        Parts =
        [
            new PrefixTuningOptions { VirtualTokens = virtualTokens, Projection = true, EncoderSize = encoderSize },
            BottleneckOptions.Parallel with { ReductionFactor = reductionFactor },
        ],
    };

    /// <summary>Freezes a model and adds a mix-and-match adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="virtualTokens">Length of the prefix.</param>
    /// <param name="encoderSize">Hidden width of the prefix's projection.</param>
    /// <param name="reductionFactor">Width of the model divided by the width of the bottlenecks.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="AdapterOptionsException">The options are invalid, or the architecture has no default positions for bottlenecks.</exception>
    public static PeftModel ApplyMam(this IPromptedModel model, int virtualTokens = 30, int encoderSize = 800, double reductionFactor = 2, string name = PeftModel.DefaultName)
        => ((TorchSharp.torch.nn.Module)model).ApplyAdapter(Options(virtualTokens, encoderSize, reductionFactor), name);
}
