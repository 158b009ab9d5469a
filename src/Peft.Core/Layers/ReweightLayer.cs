using static TorchSharp.torch;

namespace Peft;

/// <summary>A layer that replaces the weight and bias: y = f(x, W′) + b′.</summary>
/// <param name="target">The adapted module.</param>
public abstract class ReweightLayer(Target target) : AdapterLayer(target)
{
    /// <summary>Computes the new weight and bias from the enclosed ones, in at least float32.</summary>
    protected abstract Weights Reweight(Weights inner);

    /// <inheritdoc/>
    protected internal override double CostPerPosition => double.PositiveInfinity;

    /// <inheritdoc/>
    protected internal override Tensor Forward(Tensor input, Inner inner)
    {
        var (weight, bias) = Reweight(inner.Weights);
        var type = Target.ComputeType;
        return Target.Apply(input, weight.to_type(type), bias?.to_type(type));
    }

    /// <inheritdoc/>
    protected internal sealed override Weights? Merge(Weights inner) => Reweight(inner);
}
