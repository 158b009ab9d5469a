namespace Peft.Lora;

/// <summary>Truncated singular value decompositions.</summary>
internal static class LowRank
{
    /// <summary>
    /// A randomized decomposition M ≈ U·diag(S)·Vᵀ of the given rank, by power iterations on a random subspace
    /// (Halko, Martinsson and Tropp 2011, arXiv:0909.4061, algorithm 5.1).
    /// </summary>
    /// <returns>U <c>[rows, rank]</c>, S <c>[rank]</c>, Vᵀ <c>[rank, columns]</c>.</returns>
    public static (Tensor U, Tensor S, Tensor Vt) Svd(Tensor matrix, int rank, int iterations)
        => Svd(matrix, randn(matrix.size(1), rank, matrix.dtype, matrix.device), iterations);

    /// <summary>The same with a given initial subspace <c>[columns, rank]</c>.</summary>
    public static (Tensor U, Tensor S, Tensor Vt) Svd(Tensor matrix, Tensor start, int iterations)
    {
        var (q, _) = linalg.qr(matrix.mm(start));
        for (var i = 0; i < iterations; i++)
        {
            (var p, _) = linalg.qr(matrix.t().mm(q));
            (q, _) = linalg.qr(matrix.mm(p));
        }
        var (u, s, vt) = linalg.svd(q.t().mm(matrix), fullMatrices: false);
        return (q.mm(u), s, vt);
    }
}
