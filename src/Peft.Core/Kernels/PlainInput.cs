using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>An input as it is.</summary>
/// <param name="input"><c>[…, in]</c>, contiguous.</param>
internal sealed class PlainInput(Tensor input) : NodeInput(input)
{
    public override Tensor Compute(IReadOnlyList<Tensor> sources) => sources[0];

    public override Tensor?[] Differentiate(IReadOnlyList<Tensor> sources, Tensor gradient) => [gradient];
}
