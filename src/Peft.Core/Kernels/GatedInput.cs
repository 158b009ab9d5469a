using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>silu(gate) ∘ up.</summary>
/// <param name="gate"><c>[…, width]</c>, contiguous.</param>
/// <param name="up"><c>[…, width]</c>, contiguous.</param>
internal sealed class GatedInput(Tensor gate, Tensor up) : NodeInput(gate, up)
{
    public override Tensor Compute(IReadOnlyList<Tensor> sources) => SwigluKernel.Gate(sources[0], sources[1]);

    public override Tensor?[] Differentiate(IReadOnlyList<Tensor> sources, Tensor gradient)
    {
        var gateGradient = empty_like(sources[0]);
        SwigluKernel.Differentiate(sources[0], sources[1], gradient, gateGradient, gradient);
        return [gateGradient, gradient];
    }
}
