using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>A normalization as a step.</summary>
/// <param name="norm">The normalization.</param>
/// <param name="source">Index of the value to normalize.</param>
internal sealed class NormStep(NodeInput norm, int source) : NodeStep(source)
{
    public override Tensor[] Forward(Tensor[] values, List<Tensor> kept)
    {
        kept.AddRange(norm.Constants);
        return [norm.Compute([values[0], .. norm.Constants])];
    }

    public override bool Prepares => true;

    public override void Prepare(Tensor[] values, List<Tensor> kept) => kept.AddRange(norm.Constants);

    public override Tensor[] Again(Tensor[] values, ReadOnlySpan<Tensor> saved) => [norm.Compute([values[0], .. saved])];

    public override Tensor?[] Backward(Tensor[] values, ReadOnlySpan<Tensor> saved, Tensor[] gradients, bool[] wanted)
        => [.. norm.Differentiate([values[0], .. saved], gradients[0].clone())];   // which overwrites its argument
}
