namespace Peft.Adapters;

/// <summary>
/// A coupling layer on a module's output, split into halves (x₁, x₂). NICE (Dinh et al. 2014, arXiv:1410.8516): y₁ = x₁ + F(x₂), y₂ = x₂ + G(y₁).
/// GLOW (Kingma and Dhariwal 2018, arXiv:1807.03039): y₁ = e(s₂)·x₁ + t₂ with (s₂, t₂) computed from x₂, and likewise y₂ from x₂ and y₁, where
/// e(s) = exp(0.636·c·arctan(s/c)), c = 5.
/// </summary>
/// <remarks>
/// The GLOW block of the Adapters library 1.2 does not use one of its networks and is not invertible. This is the complete block, with both networks.
/// </remarks>
internal sealed class InvertibleLayer : TransformLayer, IKeepsEmbedding
{
    private const double Clamp = 5;

    private readonly bool scales;
    private readonly long first, second;
    private readonly Func<Tensor, Tensor> fromSecond, fromFirst;

    public InvertibleLayer(Target target, BottleneckOptions options) : base(target)
    {
        scales = options.Invertible == "glow";
        (first, second) = (target.Out / 2, target.Out - target.Out / 2);
        var factor = options.InvertibleReductionFactor ?? 2;
        var act = Nonlinearity.Named(options.NonLinearity);
        fromSecond = Network(scales ? "s2" : "F", second, scales ? 2 * first : first, factor, act);
        fromFirst = Network(scales ? "s1" : "G", first, scales ? 2 * second : second, factor, act);
    }

    protected override Tensor TransformOutput(Tensor input, Tensor output) => Couple(output);

    /// <summary>Computes y from x.</summary>
    public Tensor Couple(Tensor x)
    {
        var (x1, x2) = Halves(x);
        var y1 = Couple(x1, fromSecond(x2), first);
        return cat([y1, Couple(x2, fromFirst(y1), second)], -1);
    }

    /// <summary>Inverse of <see cref="Couple(Tensor)"/>: computes x from y.</summary>
    public Tensor Invert(Tensor y)
    {
        var (y1, y2) = Halves(y);
        var x2 = Uncouple(y2, fromFirst(y1), second);
        return cat([Uncouple(y1, fromSecond(x2), first), x2], -1);
    }

    private (Tensor, Tensor) Halves(Tensor value) => (value.narrow(-1, 0, first), value.narrow(-1, first, second));

    private Tensor Couple(Tensor x, Tensor parts, long size)
        => scales ? Scale(parts.narrow(-1, 0, size)).exp().mul(x).add(parts.narrow(-1, size, size), One) : x.add(parts, One);

    private Tensor Uncouple(Tensor y, Tensor parts, long size)
        => scales ? y.sub(parts.narrow(-1, size, size)).mul(Scale(parts.narrow(-1, 0, size)).neg().exp()) : y.sub(parts);

    private static Tensor Scale(Tensor s) => s.div(Constant(Clamp)).atan().mul(Constant(0.636 * Clamp));

    private Func<Tensor, Tensor> Network(string name, long inputs, long outputs, double factor, Func<Tensor, Tensor> act)
    {
        var width = Math.Max(1, (long)(inputs / factor));
        Parameter w1 = Trainable($"{name}.0.weight", Normal(0.02, width, inputs)), b1 = Trainable($"{name}.0.bias", Zeros(width));
        Parameter w2 = Trainable($"{name}.2.weight", Normal(0.02, outputs, width)), b2 = Trainable($"{name}.2.bias", Zeros(outputs));
        return x => nn.functional.linear(act(nn.functional.linear(x, w1, b1)), w2, b2);
    }
}
