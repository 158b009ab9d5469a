using static TorchSharp.torch;

namespace Peft;

/// <summary>ΔW = scale·B·A.</summary>
/// <param name="A"><c>[rank, in]</c></param>
/// <param name="B"><c>[out, rank]</c></param>
/// <param name="Scale">The factor.</param>
public sealed record LowRankUpdate(Tensor A, Tensor B, double Scale);

/// <summary>A layer that adds to the weight: y = f(x, W) + f(x, ΔW).</summary>
/// <param name="target">The adapted module.</param>
public abstract class DeltaLayer(Target target) : AdapterLayer(target)
{
    /// <summary>ΔW, <c>[out, in]</c>, a new tensor.</summary>
    public abstract Tensor Delta();

    /// <summary>What the layer adds to the bias, <c>[out]</c>, a new tensor; null for nothing.</summary>
    protected virtual Tensor? DeltaBias() => null;

    /// <summary>ΔW as a thin product, where the layer is that and no more; null (the default) otherwise.</summary>
    protected internal virtual LowRankUpdate? AsProduct => null;

    /// <summary>Share of the input's elements that the layer leaves out in training.</summary>
    protected double Dropout { get; init; }

    /// <summary>Whether dropout acts: on the input of this layer alone, so that no folded weight can express it. A lookup has no input to drop.</summary>
    protected bool Drops => Dropout > 0 && Training && !Target.IsLookup;

    /// <summary>The input with dropout where that acts.</summary>
    protected Tensor Drop(Tensor input) => Drops ? nn.functional.dropout(input, Dropout, training: true) : input;

    /// <summary>x·ΔWᵀ for the vectors along the last dimension, by a way that never forms ΔW; null (the default) where there is none.</summary>
    protected virtual Tensor? Multiply(Tensor input) => null;

    /// <summary>Multiplications of <see cref="Multiply"/> per vector.</summary>
    protected virtual double MultiplyCost => double.PositiveInfinity;

    /// <summary>f(x, ΔW) + Δb for an input, by a way that never forms ΔW where there is one.</summary>
    protected virtual Tensor Apply(Tensor input)
    {
        var x = Drop(input);
        return (Target.IsProduct ? Multiply(x) : null) ?? Target.Apply(x, Delta(), DeltaBias());
    }

    /// <inheritdoc/>
    protected internal override double CostPerPosition => Drops ? 0 : Target.IsProduct ? MultiplyCost : double.PositiveInfinity;

    /// <inheritdoc/>
    protected internal sealed override Tensor Forward(Tensor input, Inner inner)
    {
        var output = inner.Forward(input);
        var added = Apply(Target.IsLookup || input.dtype == TensorType ? input : input.to_type(TensorType));
        return output.add(added.dtype == output.dtype ? added : added.to_type(output.dtype), One);
    }

    /// <inheritdoc/>
    protected internal override Weights? Merge(Weights inner)
    {
        var bias = DeltaBias();
        return new Weights(inner.Weight.add(Delta(), One), bias is null ? inner.Bias : inner.Bias?.add(bias, One) ?? bias);
    }
}

/// <summary>A layer that makes a new weight and bias from the old: y = f(x, W′) + b′.</summary>
/// <param name="target">The adapted module.</param>
public abstract class ReweightLayer(Target target) : AdapterLayer(target)
{
    /// <summary>The new weight and bias from those enclosed, in at least float32.</summary>
    protected abstract Weights Reweight(Weights inner);

    /// <inheritdoc/>
    protected internal override double CostPerPosition => double.PositiveInfinity;

    /// <inheritdoc/>
    protected internal override Tensor Forward(Tensor input, Inner inner)
    {
        var (weight, bias) = Reweight(inner.Weights);
        var type = Target.Weight.dtype;
        return Target.Apply(input, weight.to_type(type), bias?.to_type(type));
    }

    /// <inheritdoc/>
    protected internal sealed override Weights? Merge(Weights inner) => Reweight(inner);
}

/// <summary>A layer that changes what goes in or comes out: y = TransformOutput(x, f(TransformInput(x))).</summary>
/// <param name="target">The adapted module.</param>
public abstract class TransformLayer(Target target) : AdapterLayer(target)
{
    /// <summary>The input that the enclosed module gets: the same object to leave it as it is.</summary>
    protected virtual Tensor TransformInput(Tensor input) => input;

    /// <summary>The layer's output.</summary>
    /// <param name="input">The layer's own input.</param>
    /// <param name="output">The enclosed module's output.</param>
    protected virtual Tensor TransformOutput(Tensor input, Tensor output) => output;

    /// <inheritdoc/>
    protected internal sealed override Tensor Forward(Tensor input, Inner inner)
    {
        // The transformations see numbers of the layer's type, which is wider than a half-width model's; the module sees its own.
        var wide = Target.IsLookup ? input : As(input, TensorType);
        var changed = TransformInput(wide);
        var output = inner.Forward(ReferenceEquals(changed, wide) ? input : As(changed, input.dtype));
        return As(TransformOutput(wide, As(output, TensorType)), output.dtype);
    }

    private static Tensor As(Tensor value, ScalarType type) => value.dtype == type ? value : value.to_type(type);
}
