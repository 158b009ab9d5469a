using System.Runtime.CompilerServices;

namespace Peft.Kernels;

/// <summary>Tiles below each other: one loop, compiled for each kind of tile, and for A stored by rows, by columns, or with any strides.</summary>
internal static unsafe class TileLoop
{
    /// <summary>Computes C = A·B or D + A·B.</summary>
    /// <typeparam name="T">The tile.</typeparam>
    /// <param name="a">A <c>[rows·tiles, depth]</c>.</param>
    /// <param name="aRow">Row stride of A.</param>
    /// <param name="aStep">Stride between the elements of a row of A.</param>
    /// <param name="b">B <c>[depth, columns]</c>, as wide as the tile.</param>
    /// <param name="bRow">Row stride of B.</param>
    /// <param name="d">D <c>[rows·tiles, columns]</c>, which may be C; null for none.</param>
    /// <param name="dRow">Row stride of D; 0 for one row that is added to all.</param>
    /// <param name="c">C <c>[rows·tiles, columns]</c>.</param>
    /// <param name="cRow">Row stride of C.</param>
    /// <param name="depth">Number of columns of A and of rows of B.</param>
    /// <param name="tiles">Number of tiles.</param>
    public static void Run<T>(float* a, nint aRow, nint aStep, float* b, nint bRow, float* d, nint dRow, float* c, nint cRow, nint depth, int tiles = 1) where T : struct, ITile
    {
        if (d == null) dRow = 0;   // so that it stays null
        if (aStep == 1) ByRows<T>(a, aRow, b, bRow, d, dRow, c, cRow, depth, tiles);
        else if (aRow == 1) ByColumns<T>(a, aStep, b, bRow, d, dRow, c, cRow, depth, tiles);
        else Any<T>(a, aRow, aStep, b, bRow, d, dRow, c, cRow, depth, tiles);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void ByRows<T>(float* a, nint aRow, float* b, nint bRow, float* d, nint dRow, float* c, nint cRow, nint depth, int tiles) where T : struct, ITile
    {
        for (; tiles > 0; tiles--, a += T.Rows * aRow, c += T.Rows * cRow, d += T.Rows * dRow) T.Run(a, aRow, 1, b, bRow, d, dRow, c, cRow, depth);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void ByColumns<T>(float* a, nint aStep, float* b, nint bRow, float* d, nint dRow, float* c, nint cRow, nint depth, int tiles) where T : struct, ITile
    {
        for (; tiles > 0; tiles--, a += T.Rows, c += T.Rows * cRow, d += T.Rows * dRow) T.Run(a, 1, aStep, b, bRow, d, dRow, c, cRow, depth);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Any<T>(float* a, nint aRow, nint aStep, float* b, nint bRow, float* d, nint dRow, float* c, nint cRow, nint depth, int tiles) where T : struct, ITile
    {
        for (; tiles > 0; tiles--, a += T.Rows * aRow, c += T.Rows * cRow, d += T.Rows * dRow) T.Run(a, aRow, aStep, b, bRow, d, dRow, c, cRow, depth);
    }
}
