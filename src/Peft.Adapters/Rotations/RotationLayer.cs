namespace Peft.Adapters;

/// <summary>
/// A layer that rotates the inputs by a matrix R: y = f(x·R), which equals f with the weight W·Rᵀ. For an embedding it rotates the outputs,
/// since token ids cannot be rotated.
/// </summary>
/// <param name="target">The adapted module.</param>
internal abstract class RotationLayer(Target target) : ReweightLayer(target)
{
    /// <summary>Rows <c>[n, <see cref="Size"/>]</c> times R, or times Rᵀ.</summary>
    protected abstract Tensor Rotate(Tensor rows, bool transposed);

    /// <summary>Size of R.</summary>
    protected long Size => SizeFor(Target);

    /// <summary>Size of R for a module.</summary>
    protected static long SizeFor(Target target) => target.IsLookup ? target.Out : target.In;

    protected sealed override Weights Reweight(Weights inner)
        => inner with { Weight = Target.IsLookup ? Rotate(inner.Weight.t(), transposed: false).t() : Rotate(inner.Weight, transposed: true) };

    // The windows of a convolution overlap in the input, so only the weight can be rotated there.
    protected override Tensor Forward(Tensor input, Inner inner)
    {
        if (Target.IsProduct) return inner.Forward(RotateLast(input));
        return Target.IsLookup ? RotateLast(inner.Forward(input)) : base.Forward(input, inner);
    }

    private Tensor RotateLast(Tensor value)
    {
        var wide = value.dtype == TensorType ? value : value.to_type(TensorType);
        var turned = Rotate(wide.reshape(-1, Size), transposed: false).view(value.shape);
        return turned.dtype == value.dtype ? turned : turned.to_type(value.dtype);
    }
}
