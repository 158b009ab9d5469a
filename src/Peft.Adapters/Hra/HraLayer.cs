namespace Peft.Adapters;

/// <summary>
/// HRA (Yuan et al. 2024, arXiv:2405.17484): W′ = W·H₁·…·Hᵣ with the Householder reflections Hᵢ = I − 2·uᵢ·uᵢᵀ of the normalized
/// columns of <c>hra_u</c> <c>[in, rank]</c>. Together they are I − U·T·Uᵀ with a triangular T, where T⁻¹ is the part of UᵀU above its diagonal plus half of the diagonal
/// (Schreiber and Van Loan, A storage-efficient WY representation for products of Householder transformations, 1989).
/// </summary>
internal sealed class HraLayer : RotationLayer, ILowRank
{
    private readonly bool orthogonalize;
    private readonly Parameter vectors;

    public HraLayer(Target target, HraOptions options) : base(target)
    {
        orthogonalize = options.Orthogonalize;
        var paired = options.InitWeights && !orthogonalize && options.Rank % 2 == 0;
        vectors = Trainable("hra_u", paired
            ? KaimingUniform(SizeFor(target), options.Rank / 2).repeat_interleave(2, dim: 1)
            : KaimingUniform(SizeFor(target), options.Rank));
    }

    private int Rank => (int)vectors.size(1);

    protected override double CostPerPosition => 2.0 * Rank * Size;

    // For the few inputs of a decode step, W·U would cost more than rotating them, and a quantized weight would be dequantized for it.
    public bool IsLowRank => is_grad_enabled() && Target.IsProduct && Target.Storage.Parameter is not null;

    public LowRankUpdate Factors()
    {
        var (u, t) = Reflections();
        return new(u.t(), Target.ReadMatrix(TensorType).mm(u).mm(t), -1);
    }

    protected override Tensor Rotate(Tensor rows, bool transposed)
    {
        var (u, t) = Reflections();
        return rows.sub(rows.mm(u).mm(transposed ? t : t.t()).mm(u.t()));
    }

    private (Tensor U, Tensor T) Reflections()
    {
        if (orthogonalize) return (Basis(), eye(Rank, dtype: vectors.dtype, device: Device).mul(Constant(2)));
        var u = vectors.div(vectors.norm(0, keepdim: true));
        var gram = u.t().mm(u);
        return (u, linalg.inv(gram.triu(1).add(eye(Rank, dtype: gram.dtype, device: Device), alpha: Constant(0.5))));
    }

    private Tensor Basis()
    {
        var basis = new List<Tensor>();
        for (var i = 0; i < Rank; i++)
        {
            var u = vectors.narrow(1, i, 1);
            foreach (var earlier in basis) u = u.sub(earlier.mul(earlier.t().mm(u)));
            basis.Add(Unit(u));
        }
        return cat(basis, 1);
    }

    private static Tensor Unit(Tensor column) => column.div(column.norm());
}
