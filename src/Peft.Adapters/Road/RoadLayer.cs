namespace Peft.Adapters;

/// <summary>
/// RoAd (Liao and Monz 2024, arXiv:2409.00119): in each group, output i of the first half is paired with output j of the second, and
/// (yᵢ, yⱼ) becomes (c·yᵢ − s·yⱼ, c·yⱼ + s·yᵢ) with c = α·cos θ and s = α·sin θ, each entry with its own α and θ in some variants.
/// </summary>
internal sealed class RoadLayer : TransformLayer
{
    private readonly RoadVariant variant;
    private readonly int half;
    private readonly Parameter theta, alpha;   // [out/2], [out] or [2·out]

    public RoadLayer(Target target, RoadOptions options) : base(target)
    {
        (variant, half) = (options.Variant, options.GroupSize / 2);
        if (target.Out / target.Groups % options.GroupSize != 0)
            throw new AdapterOptionsException($"{target.Path} has {target.Out / target.Groups} outputs{(target.Groups > 1 ? " per group" : "")}, which groups of {options.GroupSize} do not divide. Choose a GroupSize that divides them, or exclude the module.");
        var size = variant switch { RoadVariant.Road1 => target.Out / 2, RoadVariant.Road2 => target.Out, _ => target.Out * 2 };
        theta = Trainable("road_theta", options.InitWeights ? Zeros(size) : Normal(0.5, size));
        alpha = Trainable("road_alpha", options.InitWeights ? Ones(size) : Normal(0.5, size).add(Constant(1), One));
    }

    protected override double CostPerPosition => 3 * Target.Out;

    protected override Tensor TransformOutput(Tensor input, Tensor output)
    {
        var (cosine, sine) = Entries();
        var along = Target.AlongOutput(cosine);
        return output.mul(along).add(RotateHalf(output, -along.dim()).mul(Target.AlongOutput(sine)), One);
    }

    protected override Weights Merge(Weights inner)
    {
        var (cosine, sine) = Entries();
        return new Weights(
            inner.Weight.mul(cosine.unsqueeze(1)).add(RotateHalf(inner.Weight, 0).mul(sine.unsqueeze(1)), One),
            inner.Bias?.mul(cosine).add(RotateHalf(inner.Bias, 0).mul(sine), One));
    }

    // Factors of each output and of its partner, [out] each. Turn applies the sign of the first half.
    private (Tensor Cosine, Tensor Sine) Entries()
    {
        var (angles, scales) = (theta.view(-1, Entry, half), alpha.view(-1, Entry, half));   // [groups, 1 | 2 | 4, half]
        var (cosine, sine) = (angles.cos().mul(scales), angles.sin().mul(scales));
        return variant switch
        {
            RoadVariant.Road1 => (cosine.expand(-1, 2, -1).reshape(-1), sine.expand(-1, 2, -1).reshape(-1)),
            RoadVariant.Road2 => (cosine.reshape(-1), sine.reshape(-1)),
            _ => (cosine.narrow(1, 0, 2).reshape(-1), sine.narrow(1, 2, 2).reshape(-1)),
        };
    }

    private int Entry => variant switch { RoadVariant.Road1 => 1, RoadVariant.Road2 => 2, _ => 4 };

    // (y₁, y₂) of each group as (−y₂, y₁), along a dimension.
    private Tensor RotateHalf(Tensor value, long dimension)
    {
        var axis = dimension < 0 ? value.dim() + dimension : dimension;
        var pairs = value.unflatten(axis, -1, 2, half);
        var (first, second) = (pairs.narrow(axis + 1, 0, 1), pairs.narrow(axis + 1, 1, 1));
        return cat([second.neg(), first], axis + 1).view(value.shape);
    }
}
