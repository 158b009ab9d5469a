namespace Peft.Adapters;

/// <summary>
/// HRA (Yuan et al. 2024, arXiv:2405.17484): W′ = W·H₁·…·Hᵣ with the Householder reflections Hᵢ = I − 2·uᵢ·uᵢᵀ of the normalized
/// columns of <c>hra_u</c> <c>[in, rank]</c>.
/// </summary>
internal sealed class HraLayer : RotationLayer
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

    protected override Tensor Rotate(Tensor rows, bool transposed)
    {
        if (orthogonalize)
        {
            var basis = Basis();
            return rows.sub(rows.mm(basis).mm(basis.t()).mul(Constant(2)));
        }
        // x·Hᵣ·…·H₁ for an input, and its transpose for a weight.
        for (var i = 0; i < Rank; i++)
        {
            var u = Unit(vectors.narrow(1, transposed ? i : Rank - 1 - i, 1));
            rows = rows.sub(rows.mm(u).mm(u.t()).mul(Constant(2)));
        }
        return rows;
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
