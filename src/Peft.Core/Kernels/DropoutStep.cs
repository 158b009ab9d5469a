using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Dropout of a value, perhaps added to a residual.</summary>
/// <param name="probability">The probability, below 1.</param>
/// <param name="source">Index of the value <c>[…, width]</c>.</param>
/// <param name="residual">Index of a value to which it is added; null for none.</param>
internal sealed class DropoutStep(double probability, int source, int? residual) : NodeStep(residual is { } added ? [source, added] : [source])
{
    private DropoutMask mask;

    public override bool Keeps(int read) => false;

    public override Tensor[] Forward(Tensor[] values, List<Tensor> kept)
    {
        mask = DropoutMask.Draw(probability);
        return [Compute(values)];
    }

    public override bool Prepares => true;

    public override void Prepare(Tensor[] values, List<Tensor> kept) => mask = DropoutMask.Draw(probability);

    public override Tensor[] Again(Tensor[] values, ReadOnlySpan<Tensor> saved) => [Compute(values)];

    public override Tensor?[] Backward(Tensor[] values, ReadOnlySpan<Tensor> saved, Tensor[] gradients, bool[] wanted)
    {
        var ofSource = wanted[0] ? mask.Apply(gradients[0], null, CachingAllocator.EmptyLike(gradients[0])) : null;
        return Reads.Length == 1 ? [ofSource] : [ofSource, wanted[1] ? gradients[0] : null];
    }

    private Tensor Compute(Tensor[] values)
        => mask.Apply(values[0], values.Length > 1 ? values[1] : null, CachingAllocator.Empty(values[0].Sizes()));
}
