namespace Peft.Lora;

/// <summary>
/// DEFT (Hugging Face PEFT 0.20): ΔW = Q·(s·R − Pᵀ·W) with the module's base weight W and R <c>[rank, in]</c>. Q and P come from the trained matrix
/// D <c>[out, rank]</c>: either Q = D and P = relu(D), or Q = P is the orthonormal factor of D's QR decomposition.
/// </summary>
internal sealed class DeftLayer : FactoredLayer
{
    private readonly Parameter directions;
    private readonly Parameter? injection;
    private readonly bool orthonormal;
    private readonly double scaling;

    public DeftLayer(Target target, DeftOptions options) : base(target, Math.Min(options.Rank, target.Out))
    {
        Dropout = options.Dropout;
        orthonormal = options.Decomposition == "qr";
        scaling = options.Alpha is { } alpha ? (double)alpha / Rank : 1;
        directions = Trainable("deft_P", Normal(0.02, target.Out, Rank));
        if (options.OnlyRemoves) return;
        injection = Trainable("deft_R", options.InitWeights ? Computed(() => Removed(Project().P).div(Constant(scaling)), Rank, target.In) : Normal(0.02 * options.InitialScale, Rank, target.In));
    }

    // Dropout affects only the injected part.
    public override bool IsLowRank => !Drops || injection is null;

    public override LowRankUpdate Factors()
    {
        var (q, p) = Project();
        return new(injection is null ? Removed(p).neg() : injection.mul(Constant(scaling)).sub(Removed(p)), q);
    }

    protected override Tensor Apply(Tensor input)
    {
        if (IsLowRank) return base.Apply(input);
        var (q, p) = Project();
        return Target.ApplyFactors(Drop(input), injection!.mul(Constant(scaling)), q).sub(Target.ApplyFactors(input, Removed(p), q));
    }

    private (Tensor Q, Tensor P) Project()
    {
        if (!orthonormal) return (directions, nn.functional.relu(directions));
        var (q, _) = linalg.qr(directions);
        return (q, q);
    }

    private Tensor Removed(Tensor p) => p.t().mm(Target.ReadMatrix(TensorType));
}
