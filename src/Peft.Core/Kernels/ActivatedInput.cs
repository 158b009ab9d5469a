using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>act(x), from the value x <c>[…, width]</c>, or act(gate) ∘ up, from the values gate and up.</summary>
/// <param name="activation">The function, which <see cref="ActivationKernel"/> supports.</param>
internal sealed class ActivatedInput(string activation) : NodeInput
{
    public override Tensor Compute(IReadOnlyList<Tensor> sources) => ActivationKernel.Run(activation, sources[0], sources.Count > 1 ? sources[1] : null, CachingAllocator.Empty(sources[0].Sizes()));

    public override Tensor[] Differentiate(IReadOnlyList<Tensor> sources, Tensor gradient)
    {
        if (sources.Count == 1)
        {
            ActivationKernel.Differentiate(activation, sources[0], null, gradient, gradient, null);
            return [gradient];
        }
        var ofGate = CachingAllocator.EmptyLike(sources[0]);
        ActivationKernel.Differentiate(activation, sources[0], sources[1], gradient, ofGate, gradient);
        return [ofGate, gradient];
    }
}
