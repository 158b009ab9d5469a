using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>x / √(mean(x²) + ε) ∘ (w + offset), from the value x <c>[…, size]</c>.</summary>
/// <param name="weight">w <c>[size]</c>, contiguous.</param>
/// <param name="epsilon">ε</param>
/// <param name="offset">Term added to the weight.</param>
internal sealed class NormalizedInput(Tensor weight, double epsilon, double offset) : NodeInput(weight)
{
    public override Tensor Compute(IReadOnlyList<Tensor> sources) => RmsNormKernel.Normalise(sources[0], sources[1], CachingAllocator.Empty(sources[0].Sizes()), (float)epsilon, (float)offset);

    public override Tensor[] Differentiate(IReadOnlyList<Tensor> sources, Tensor gradient)
    {
        RmsNormKernel.Differentiate(sources[0], sources[1], gradient, gradient, (float)epsilon, (float)offset);
        return [gradient];
    }

    public override Tensor?[] DifferentiateTrained(IReadOnlyList<Tensor> sources, Tensor gradient)
        => Trained.Length == 0 ? [] : [RmsNormKernel.WeightGradient(sources[0], sources[1], gradient, (float)epsilon)];
}
