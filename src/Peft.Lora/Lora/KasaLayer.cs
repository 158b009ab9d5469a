using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Lora;

/// <summary>
/// KaSA (Wang et al. 2024, arXiv:2412.06071): W′ = W − U₋·Σ₋·V₋ᵀ + s·B·diag(σ)·A, without the rank's smallest singular values of W and with σ <c>[rank]</c>
/// trained. In training A and B are drawn to orthonormal rows and columns, σ to zero.
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
        if (rank >= full) throw new AdapterOptionsException($"KaSA takes the {rank} smallest singular values out of {target}, which has {full}: lower the rank there by RankPattern.");
        var (u, s, vt) = linalg.svd(target.ToMatrix(target.Weight).to_type(ScalarType.Float32), fullMatrices: false);
        Begin(vt.narrow(0, full - rank, rank), u.narrow(1, full - rank, rank).mul(s.narrow(0, full - rank, rank)).div(Kept(Scaling)));
    }

    public override Tensor MatrixA => base.MatrixA.mul(singularValues.unsqueeze(1));

    // The task's loss alone is what an evaluation shows.
    public Tensor? Penalty()
    {
        if (!Training) return null;
        var unit = eye(Rank, dtype: A.dtype, device: A.device);
        var distances = B.t().mm(B).sub(unit).norm().add(A.mm(A.t()).sub(unit).norm(), One);
        return singularValues.square().sum().mul(Kept(kasa.Beta)).add(distances.mul(Kept(kasa.Gamma)), One);
    }
}
