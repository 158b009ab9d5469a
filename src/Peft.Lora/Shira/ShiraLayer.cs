namespace Peft.Lora;

/// <summary>SHiRA (Bhardwaj et al. 2024, arXiv:2406.13175): ΔW is zero except for trained values at fixed indices <c>[2, count]</c>, rows and columns.</summary>
internal sealed class ShiraLayer : DeltaLayer
{
    private readonly Parameter values, indices;

    public ShiraLayer(Target target, ShiraOptions options) : base(target)
    {
        var (count, size) = (options.Rank * (target.In + target.Out), target.In * target.Out);
        if (count > size) throw new AdapterOptionsException($"Rank {options.Rank} requires {count} elements of {target}, which has {size}: lower the rank.");
        values = Trainable("shira_weight", options.InitWeights ? Zeros(count) : Normal(1, count));
        using var random = new SeededRandom(options.Seed, Device);
        var chosen = random.Choose(count, size).sort().Values;
        indices = Frozen("shira_indices", stack([chosen.div(Constant(target.In), RoundingMode.floor), chosen.remainder(Constant(target.In))]).to(ScalarType.Int32, Device));
    }

    public override Tensor Delta()
    {
        var flat = indices.select(0, 0).to_type(ScalarType.Int64).mul(Constant(Target.In)).add(indices.select(0, 1), One);
        return zeros(Target.Out * Target.In, values.dtype, values.device).scatter(0, flat, values).view(Target.Out, Target.In);
    }
}
