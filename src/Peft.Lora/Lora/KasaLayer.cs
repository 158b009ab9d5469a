namespace Peft.Lora;

/// <summary>
/// KaSA (Wang et al. 2024, arXiv:2412.06071): W′ = W − U₋·Σ₋·V₋ᵀ + s·B·diag(σ)·A. U₋·Σ₋·V₋ᵀ contains the smallest singular values of W, as many as the rank,
/// and σ <c>[rank]</c> is trained. A training penalty pulls the rows of A and the columns of B towards orthonormality, and σ towards zero.
/// </summary>
internal sealed class KasaLayer : LoraLayer, IPenalty
{
    private readonly Parameter singularValues;
    private readonly KasaOptions kasa;

    public KasaLayer(Target target, LoraOptions options, KasaOptions kasa) : base(target, options)
    {
        this.kasa = kasa;
        singularValues = Trainable("lora_diag", Normal(1, Rank));
        var (rank, full) = (Rank, Math.Min(target.In, target.Out));
        if (rank >= full) throw new AdapterOptionsException($"KaSA removes the {rank} smallest singular values of {target}, which has only {full}: lower its rank with RankPattern.");
        var (u, s, vt) = linalg.svd(target.ReadMatrix(ScalarType.Float32), fullMatrices: false);
        Subtract(vt.narrow(0, full - rank, rank), u.narrow(1, full - rank, rank).mul(s.narrow(0, full - rank, rank)).div(Constant(Scaling)));
    }

    public override Tensor MatrixA => base.MatrixA.mul(singularValues.unsqueeze(1));

    // An evaluation reports the task loss only.
    public Tensor? Penalty()
    {
        if (!Training) return null;
        var unit = eye(Rank, dtype: A.dtype, device: A.device);
        var distances = B.t().mm(B).sub(unit).norm().add(A.mm(A.t()).sub(unit).norm(), One);
        return singularValues.square().sum().mul(Constant(kasa.Beta)).add(distances.mul(Constant(kasa.Gamma)), One);
    }
}
