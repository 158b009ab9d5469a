using static TorchSharp.torch;

namespace Peft;

/// <summary>A layer that adds an update to the weight: y = f(x, W) + f(x, ΔW).</summary>
/// <param name="target">The adapted module.</param>
public abstract class DeltaLayer(Target target) : AdapterLayer(target)
{
    /// <summary>Computes ΔW, <c>[out, in]</c>, a new tensor.</summary>
    public abstract Tensor Delta();

    /// <summary>Dropout probability of the layer's input during training.</summary>
    protected double Dropout { get; init; }

    /// <summary>True if dropout applies. It affects only this layer's input, so the layer cannot be folded. An embedding lookup has no input to drop.</summary>
    protected bool Drops => Dropout > 0 && Training && !Target.IsLookup;

    /// <summary>Applies dropout to the input if <see cref="Drops"/>.</summary>
    protected Tensor Drop(Tensor input) => Drops ? Kernels.DropoutMask.Run(input, Dropout) : input;

    /// <summary>The probability with which this pass drops values of the input; 0 for none.</summary>
    internal double Dropping => Drops ? Dropout : 0;

    /// <summary>Computes x·ΔWᵀ for the vectors along the last dimension without computing ΔW; null (the default) if the layer does not support this.</summary>
    protected virtual Tensor? Multiply(Tensor input) => null;

    /// <summary>Multiplications of <see cref="Multiply"/> per vector.</summary>
    protected virtual double MultiplyCost => double.PositiveInfinity;

    /// <summary>Computes f(x, ΔW) + Δb for an input. Avoids computing ΔW if possible.</summary>
    protected virtual Tensor Apply(Tensor input)
    {
        var x = Drop(input);
        return (Target.IsProduct ? Multiply(x) : null) ?? Target.Apply(x, Delta(), (this as IUpdatesBias)?.DeltaBias());
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
        var bias = (this as IUpdatesBias)?.DeltaBias();
        return new Weights(inner.Weight.add(Delta(), One), bias is null ? inner.Bias : inner.Bias?.add(bias, One) ?? bias);
    }
}
