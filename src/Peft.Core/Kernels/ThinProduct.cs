namespace Peft.Kernels;

/// <summary>s·T·Bᵀ, for T and B with few columns: the update of low-rank factors.</summary>
/// <param name="left">T <c>[rows, rank]</c>.</param>
/// <param name="leftRow">Row stride of T.</param>
/// <param name="right">B <c>[columns, rank]</c>, contiguous.</param>
/// <param name="rank">The rank; 0 for no product.</param>
/// <param name="scale">s</param>
internal readonly unsafe struct ThinProduct(float* left, nint leftRow, float* right, int rank, float scale)
{
    public readonly float* Left = left, Right = right;
    public readonly nint LeftRow = leftRow;
    public readonly int Rank = rank;

    /// <summary>The product without its first columns.</summary>
    public ThinProduct From(int column) => new(Left, LeftRow, Right + (nint)column * Rank, Rank, scale);

    /// <summary>Copies s·Bᵀ into panels (<see cref="MatrixPanels"/>).</summary>
    /// <param name="first">The first column of the product.</param>
    /// <param name="columns">Number of columns.</param>
    /// <param name="wide">Width of a panel.</param>
    /// <param name="to">Takes the panels.</param>
    public void CopyPanels(int first, int columns, int wide, float* to)
    {
        MatrixPanels.Copy(Right + (nint)first * Rank, 1, Rank, Rank, columns, wide, to);
        var values = new Span<float>(to, Rank * ((columns + wide - 1) / wide * wide));
        for (var i = 0; i < values.Length; i++) values[i] *= scale;
    }
}
