using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>A normalization as a step.</summary>
/// <param name="norm">The normalization.</param>
/// <param name="source">Index of the value to normalize.</param>
internal sealed class NormStep(NodeInput norm, int source) : NodeStep(source)
{
    public override Tensor[] Trained => norm.Trained;

    public override Tensor[] Forward(Tensor[] values, List<Tensor> kept)
    {
        kept.AddRange(norm.Constants);
        return [norm.Compute([values[0], .. norm.Constants])];
    }

    public override bool Prepares => true;

    public override void Prepare(Tensor[] values, List<Tensor> kept) => kept.AddRange(norm.Constants);

    public override Tensor[] Again(Tensor[] values, ReadOnlySpan<Tensor> saved) => [norm.Compute([values[0], .. saved[Trained.Length..]])];

    public override Tensor?[] Backward(Tensor[] values, ReadOnlySpan<Tensor> saved, Tensor[] gradients, bool[] wanted)
    {
        Tensor[] from = [values[0], .. saved[Trained.Length..]];
        var trained = norm.DifferentiateTrained(from, gradients[0]);
        return [wanted[0] ? norm.Differentiate(from, gradients[0].clone())[0] : null, .. trained];   // which overwrites its argument
    }
}
