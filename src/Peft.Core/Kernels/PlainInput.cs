using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>A value <c>[…, in]</c> as it is.</summary>
internal sealed class PlainInput : NodeInput
{
    public override bool NeedsSources => false;

    public override Tensor Compute(IReadOnlyList<Tensor> sources) => sources[0];

    public override Tensor[] Differentiate(IReadOnlyList<Tensor> sources, Tensor gradient) => [gradient];
}
