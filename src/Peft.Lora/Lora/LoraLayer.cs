namespace Peft.Lora;

/// <summary>
/// LoRA (Hu et al. 2021, arXiv:2106.09685): ΔW = s·B·A, with A <c>[rank, in]</c> and B <c>[out, rank]</c>. If the factors are
/// initialized from the weight or its gradient (PiSSA, OLoRA, CorDA, LoRA-GA), their initial product is subtracted: ΔW = s·(B·A − B₀·A₀). The base weight does not change.
/// </summary>
internal class LoraLayer : DeltaLayer, ILowRank, IUpdatesBias, IRestarts
{
    private readonly Parameter? bias;
    private Parameter? inverse;

    /// <summary>Creates a layer. Initial factors may have another shape; a factor that is null is initialized as in the options.</summary>
    public LoraLayer(Target target, LoraOptions options, Tensor? initialA = null, Tensor? initialB = null) : base(target)
    {
        var rank = options.RankAt(target.Path);
        Scaling = options.ScalingAt(target.Path);
        Dropout = options.Dropout;
        AdapterPlan.Allow(Device, target.InputFactorShape(rank));
        AdapterPlan.Allow(Device, target.OutputFactorShape(rank));
        var (a, b) = LoraFactors.Initial(options.Initialization, target, rank, Scaling);
        A = Trainable(target.FactorName("lora", "A", ".weight"), initialA ?? a?.reshape(target.InputFactorShape(rank)) ?? KaimingUniform(target.InputFactorShape(rank)));
        var initial = initialB ?? b?.reshape(target.OutputFactorShape(rank)) ?? KaimingUniform(target.OutputFactorShape(rank));
        B = options.Initialization == LoraInitialization.Mica ? Frozen(target.FactorName("lora", "B", ".weight"), initial) : Trainable(target.FactorName("lora", "B", ".weight"), initial);
        if (options.UseLoraBias) bias = Trainable("lora_B.bias", Zeros(target.Out));
        if (options.Initialization.ReplacesBase) Subtract(A.view(rank, -1), B.view(-1, rank));
    }

    public Parameter A { get; }

    public Parameter B { get; }

    /// <summary>Factors of the product s·B₀·A₀ that is subtracted from the weight; null if none is.</summary>
    public (Parameter A, Parameter B)? Subtracted { get; private set; }

    public double Scaling { get; private set; }

    public bool HasBias => bias is not null;

    public int Rank => (int)A.size(0);

    /// <summary>The effective matrix A, <c>[rank, in]</c>.</summary>
    public virtual Tensor MatrixA => A.dim() == 2 ? A : A.view(Rank, -1);

    /// <summary>The effective matrix B, <c>[out, rank]</c>.</summary>
    public virtual Tensor MatrixB => B.dim() == 2 ? B : B.view(-1, Rank);

    /// <summary>Subtracts s·B₀·A₀ from the weight from now on.</summary>
    protected void Subtract(Tensor a, Tensor b) => Subtracted = (Frozen("lora_A0", Copy(a), saved: false), Frozen("lora_B0", Copy(b), saved: false));

    public override Tensor Delta()
    {
        var product = MatrixB.mm(MatrixA);
        if (Subtracted is { } subtracted) product = product.sub(subtracted.B.mm(subtracted.A));
        return product.mul(Constant(Scaling));
    }

    // Dropout does not affect what is subtracted.
    public virtual bool IsLowRank => bias is null && !(Subtracted is not null && Drops);

    public LowRankUpdate Factors() => new(PlainA, PlainB, Scaling);

    public Tensor? DeltaBias() => bias?.mul(Constant(Scaling));

    protected override double CostPerPosition => Drops ? 0 : (Subtracted is null ? 1 : 2) * Rank * (double)(Target.In + Target.Out);

    protected override Tensor Apply(Tensor input)
    {
        var added = Expand(Reduce(Drop(input)), MatrixB);
        if (Subtracted is { } subtracted) added = added.sub(Expand(Target.Apply(input, subtracted.A), subtracted.B));
        return DeltaBias() is { } b ? added.add(Target.AlongOutput(b), One) : added;
    }

    /// <summary>Projects the input to rank dimensions.</summary>
    protected virtual Tensor Reduce(Tensor input) => Target.Apply(input, MatrixA);

    // Scaling the hidden activations is cheaper than scaling the output.
    private Tensor Expand(Tensor hidden, Tensor b) => Target.Expand(Scaling == 1 ? hidden : hidden.mul(Constant(Scaling)), b);

    /// <summary>The saved tensors of the plain LoRA with the same update, by name.</summary>
    public IEnumerable<(string Name, Tensor Value)> Plain()
    {
        var (a, b) = (PlainA, PlainB);
        yield return (Target.FactorName("lora", "A", ".weight"), a.reshape(Target.InputFactorShape(a.size(0))));
        yield return (Target.FactorName("lora", "B", ".weight"), b.reshape(Target.OutputFactorShape(a.size(0))));
    }

    /// <summary>A of the plain LoRA with the same update: <c>[rank or twice that, in]</c>.</summary>
    public Tensor PlainA => Subtracted is { } subtracted ? cat([MatrixA, subtracted.A]) : MatrixA;

    /// <summary>B of the plain LoRA with the same update: <c>[out, rank or twice that]</c>.</summary>
    public Tensor PlainB => Subtracted is { } subtracted ? cat([MatrixB, subtracted.B.neg()], 1) : MatrixB;

    /// <summary>Replaces the factors with others, of any rank, and sets their scaling.</summary>
    public void Refactor(Tensor a, Tensor b, double scaling, bool replacesBase = false)
    {
        var rank = a.size(0);
        Replace(A, a.reshape(Target.InputFactorShape(rank)));
        Replace(B, b.reshape(Target.OutputFactorShape(rank)));
        Scaling = scaling;
        if (!replacesBase || Subtracted is not { } subtracted) return;
        Replace(subtracted.A, a.reshape(rank, -1));
        Replace(subtracted.B, b.reshape(-1, rank));
    }

    string? IRestarts.RestartError => GetType() != typeof(LoraLayer) ? $"has a {GetType().Name}, whose update is not plain LoRA"
        : Subtracted is not null ? "has factors that were initialized from the weight" : bias is not null ? "has a bias" : inverse is not null ? "has a frozen A" : Tensors.Any(tensor => !tensor.IsTrainable) ? "has a frozen B" : null;

    void IRestarts.Restart()
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        // LoRA's default initialization. For an embedding, A is the zero factor.
        if (Target.IsLookup) B.copy_(randn_like(B));
        else A.copy_(KaimingUniform(A.shape));
        (Target.IsLookup ? A : B).zero_();
    }

    /// <summary>Resets the update to zero.</summary>
    public void Clear()
    {
        using var _ = no_grad();
        B.zero_();
        bias?.zero_();
    }

    /// <summary>Replaces the bias of B.</summary>
    public void SetBias(Tensor value) => Replace(bias!, value);

    /// <summary>Freezes A (LoRA-FA) and precomputes the inverse of A·Aᵀ.</summary>
    public void FreezeA()
    {
        SetTrainable(A, false);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var a = MatrixA.to_type(ScalarType.Float64);   // a Gram matrix has the squared condition number
        var gram = a.mm(a.t());
        inverse = Frozen("lora_A_inverse", linalg.pinv(gram.add(eye(Rank, dtype: gram.dtype, device: gram.device).mul(Constant(1e-8)), One), hermitian: true), saved: false);
    }

    /// <summary>Projects the gradient of B as in LoRA-FA, in bfloat16 as in Hugging Face PEFT; Adam's normalization tolerates the rounding.</summary>
    public void CorrectGradient()
    {
        if (inverse is null || B.grad is not { } gradient) return;
        var product = gradient.view(-1, Rank).to_type(ScalarType.BFloat16).mm(inverse.to_type(ScalarType.BFloat16));
        gradient.copy_(product.mul(Constant(1 / (Scaling * Scaling))).view(gradient.shape));
    }

    private static Tensor Copy(Tensor value) => value.detach().clone();
}
