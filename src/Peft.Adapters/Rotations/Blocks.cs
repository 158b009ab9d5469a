namespace Peft.Adapters;

/// <summary>Operations on block-diagonal matrices with orthogonal blocks.</summary>
internal static class Blocks
{
    /// <summary>Cayley transform: the orthogonal matrices (I + Q)⁻¹(I − Q) of skew-symmetric matrices Q <c>[blocks, size, size]</c>.</summary>
    public static Tensor Cayley(Tensor skew)
    {
        var identity = eye(skew.size(-1), dtype: skew.dtype, device: skew.device);
        return linalg.solve(identity.add(skew, One), identity.sub(skew));
    }

    /// <summary>
    /// Rows <c>[n, blocks·size]</c> times the block-diagonal matrix of blocks <c>[blocks, size, size]</c>, or times its transpose. A single block is shared.
    /// </summary>
    public static Tensor Apply(Tensor rows, Tensor blocks, bool transposed)
    {
        var size = blocks.size(-1);
        var oriented = transposed ? blocks.transpose(1, 2) : blocks;
        if (blocks.size(0) == 1) return rows.reshape(-1, size).mm(oriented.squeeze(0)).view(rows.shape);
        var parts = rows.view(rows.size(0), -1, size).transpose(0, 1);   // [blocks, n, size]
        return parts.bmm(oriented).transpose(0, 1).reshape(rows.shape);
    }

    /// <summary>Multiplicative dropout: replaces the given fraction of blocks, chosen at random, by the identity.</summary>
    public static Tensor Drop(Tensor blocks, double share)
    {
        var count = blocks.size(0);
        var dropped = (long)(share * count);
        if (count == 1 || dropped == 0) return blocks;
        var chosen = randperm(count, device: blocks.device).narrow(0, 0, dropped);
        var identity = eye(blocks.size(-1), dtype: blocks.dtype, device: blocks.device).expand(dropped, -1, -1);
        return blocks.index_copy(0, chosen, identity);
    }
}
