using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>(x − mean) / √(var + ε) ∘ w + b, from the value x <c>[…, size]</c>.</summary>
/// <param name="weight">w <c>[size]</c>, contiguous.</param>
/// <param name="bias">b <c>[size]</c>, contiguous; null for none.</param>
/// <param name="epsilon">ε</param>
internal sealed class CenteredInput(Tensor weight, Tensor? bias, double epsilon) : NodeInput(bias is null ? [weight] : [weight, bias])
{
    public override Tensor Compute(IReadOnlyList<Tensor> sources) => LayerNormKernel.Normalise(sources[0], sources[1], sources.Count > 2 ? sources[2] : null, CachingAllocator.Empty(sources[0].Sizes()), (float)epsilon);

    public override Tensor[] Differentiate(IReadOnlyList<Tensor> sources, Tensor gradient)
    {
        LayerNormKernel.Differentiate(sources[0], sources[1], gradient, gradient, (float)epsilon);
        return [gradient];
    }

    public override Tensor?[] DifferentiateTrained(IReadOnlyList<Tensor> sources, Tensor gradient)
    {
        var results = new Tensor?[Trained.Length];
        if (weight.requires_grad) results[0] = LayerNormKernel.WeightGradient(sources[0], sources[1], gradient, (float)epsilon);
        if (bias?.requires_grad == true) results[^1] = TrainedGradient.Of(sources[2]).AddSum(gradient).Result;
        return results;
    }
}
