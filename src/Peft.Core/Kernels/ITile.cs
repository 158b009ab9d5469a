namespace Peft.Kernels;

/// <summary>An innermost loop of products: a tile of C whose sums fill the registers.</summary>
internal unsafe interface ITile
{
    /// <summary>Rows of a tile.</summary>
    static abstract int Rows { get; }

    /// <summary>Computes one tile, inlined into <see cref="TileLoop"/>, which describes the arguments. <paramref name="dRow"/> is 0 if there is no D.</summary>
    static abstract void Run(float* a, nint aRow, nint aStep, float* b, nint bRow, float* d, nint dRow, float* c, nint cRow, nint depth);
}
