using static TorchSharp.torch;

namespace Peft;

/// <summary>ΔW = scale·B·A.</summary>
/// <param name="A"><c>[rank, in]</c></param>
/// <param name="B"><c>[out, rank]</c></param>
/// <param name="Scale">The scaling factor.</param>
public sealed record LowRankUpdate(Tensor A, Tensor B, double Scale);

/// <summary>A layer that adds to the weight: y = f(x, W) + f(x, ΔW).</summary>
/// <param name="target">The adapted module.</param>
public abstract class DeltaLayer(Target target) : AdapterLayer(target)
{
    /// <summary>ΔW, <c>[out, in]</c>, a new tensor.</summary>
    public abstract Tensor Delta();

    /// <summary>The update of the bias, <c>[out]</c>, a new tensor; null if there is none.</summary>
    protected virtual Tensor? DeltaBias() => null;

    /// <summary>ΔW as low-rank factors, if the layer is exactly such an update; null (the default) otherwise.</summary>
    protected internal virtual LowRankUpdate? AsProduct => null;

    /// <summary>Dropout probability of the layer's input during training.</summary>
    protected double Dropout { get; init; }

    /// <summary>True if dropout applies. It affects only this layer's input, so the layer cannot be folded. A lookup has no input to drop.</summary>
    protected bool Drops => Dropout > 0 && Training && !Target.IsLookup;

    /// <summary>The input, with dropout if it applies.</summary>
    protected Tensor Drop(Tensor input) => Drops ? nn.functional.dropout(input, Dropout, training: true) : input;

    /// <summary>x·ΔWᵀ for the vectors along the last dimension, without computing ΔW; null (the default) if the layer has no such method.</summary>
    protected virtual Tensor? Multiply(Tensor input) => null;

    /// <summary>Multiplications of <see cref="Multiply"/> per vector.</summary>
    protected virtual double MultiplyCost => double.PositiveInfinity;

    /// <summary>f(x, ΔW) + Δb for an input. Avoids computing ΔW if possible.</summary>
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

/// <summary>A layer that replaces the weight and bias: y = f(x, W′) + b′.</summary>
/// <param name="target">The adapted module.</param>
public abstract class ReweightLayer(Target target) : AdapterLayer(target)
{
    /// <summary>The new weight and bias, computed from the enclosed ones, in at least float32.</summary>
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

/// <summary>A layer that transforms the input or the output: y = TransformOutput(x, f(TransformInput(x))).</summary>
/// <param name="target">The adapted module.</param>
public abstract class TransformLayer(Target target) : AdapterLayer(target)
{
    /// <summary>The input of the enclosed module. Return the same object to leave it unchanged.</summary>
    protected virtual Tensor TransformInput(Tensor input) => input;

    /// <summary>The layer's output.</summary>
    /// <param name="input">The layer's own input.</param>
    /// <param name="output">The enclosed module's output.</param>
    protected virtual Tensor TransformOutput(Tensor input, Tensor output) => output;

    /// <inheritdoc/>
    protected internal sealed override Tensor Forward(Tensor input, Inner inner)
    {
        // The transformations run in the layer's dtype, which is wider than that of a 16-bit model; the module runs in its own.
        var wide = Target.IsLookup ? input : As(input, TensorType);
        var changed = TransformInput(wide);
        var output = inner.Forward(ReferenceEquals(changed, wide) ? input : As(changed, input.dtype));
        return As(TransformOutput(wide, As(output, TensorType)), output.dtype);
    }

    private static Tensor As(Tensor value, ScalarType type) => value.dtype == type ? value : value.to_type(type);
}
