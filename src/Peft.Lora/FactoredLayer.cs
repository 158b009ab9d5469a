namespace Peft.Lora;

/// <summary>A layer whose update is a product of two thin matrices, ΔW = B·A, which are recomputed in each forward pass.</summary>
/// <param name="target">The adapted module.</param>
/// <param name="rank">Number of rows of A.</param>
internal abstract class FactoredLayer(Target target, long rank) : DeltaLayer(target), ILowRank
{
    public virtual bool IsLowRank => true;

    public abstract LowRankUpdate Factors();

    /// <summary>Number of rows of A.</summary>
    protected long Rank { get; } = rank;

    public override Tensor Delta()
    {
        var (a, b) = Scaled();
        return b.mm(a);
    }

    protected override double CostPerPosition => Drops ? 0 : Rank * (double)(Target.In + Target.Out);

    protected override Tensor Apply(Tensor input)
    {
        var (a, b) = Scaled();
        return Target.ApplyFactors(Drop(input), a, b);
    }

    private (Tensor A, Tensor B) Scaled()
    {
        var (a, b, scale) = Factors();
        return (a, scale == 1 ? b : b.mul(Constant(scale)));
    }
}
