using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>silu(gate) ∘ up, from the values gate and up <c>[…, width]</c>.</summary>
internal sealed class GatedInput : NodeInput
{
    public override Tensor Compute(IReadOnlyList<Tensor> sources) => SwigluKernel.Gate(sources[0], sources[1], TensorMemory.Temporary(sources[0]));

    public override Tensor[] Differentiate(IReadOnlyList<Tensor> sources, Tensor gradient)
    {
        var gateGradient = empty_like(sources[0]);
        SwigluKernel.Differentiate(sources[0], sources[1], gradient, gateGradient, gradient);
        return [gateGradient, gradient];
    }
}
