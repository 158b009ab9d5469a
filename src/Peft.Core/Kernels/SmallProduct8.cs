using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary><see cref="SmallProduct"/> with vectors of eight values: AVX and scalar code.</summary>
internal static unsafe class SmallProduct8
{
    /// <summary>Minimum number of columns.</summary>
    public const int Lanes = 8;

    private const int Block = 48;     // rows that stay in the cache while iterating over the columns

    /// <inheritdoc cref="SmallProduct.Run(float*, int, int, float*, int, float*, float*, int, int, int, int)"/>
    public static void Run(float* a, int aRow, int aStep, float* b, int bRow, float* d, float* c, int cRow, int rows, int depth, int columns)
    {
        for (var row = 0; row < rows; row += Block, a += (nint)Block * aRow, c += (nint)Block * cRow, d = d == null ? null : d + (nint)Block * cRow)
        {
            var count = Math.Min(Block, rows - row);
            var column = 0;
            for (; column + 2 * Lanes <= columns; column += 2 * Lanes) Two(a, aRow, aStep, b + column, bRow, d == null ? null : d + column, c + column, cRow, count, depth);
            for (; column + Lanes <= columns; column += Lanes) One(a, aRow, aStep, b + column, bRow, d == null ? null : d + column, c + column, cRow, count, depth);
            // The remaining columns are computed together with some preceding ones, which are computed twice.
            if (column < columns) One(a, aRow, aStep, b + columns - Lanes, bRow, d == null ? null : d + columns - Lanes, c + columns - Lanes, cRow, count, depth);
        }
    }

    private static void Two(float* a, nint aRow, nint aStep, float* b, nint bRow, float* d, float* c, nint cRow, int rows, int depth)
    {
        var tiles = rows / MatrixTile8.Rows;
        TileLoop.Run<MatrixTile8>(a, aRow, aStep, b, bRow, d, cRow, c, cRow, depth, tiles);
        for (var row = tiles * MatrixTile8.Rows; row < rows; row++) Row(a + row * aRow, aStep, b, bRow, d == null ? null : d + row * cRow, c + row * cRow, depth);
    }

    private static void One(float* a, nint aRow, nint aStep, float* b, nint bRow, float* d, float* c, nint cRow, int rows, int depth)
    {
        var tiles = rows / ColumnTile8.Rows;
        TileLoop.Run<ColumnTile8>(a, aRow, aStep, b, bRow, d, cRow, c, cRow, depth, tiles);
        for (var row = tiles * ColumnTile8.Rows; row < rows; row++) HalfRow(a + row * aRow, aStep, b, bRow, d == null ? null : d + row * cRow, c + row * cRow, depth);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Row(float* a, nint aStep, float* b, nint bRow, float* d, float* c, int depth)
    {
        Vector256<float> left = default, right = default;
        for (; depth > 0; depth--, a += aStep, b += bRow)
        {
            var x = Vector256.Create(*a);
            left = Vector256.FusedMultiplyAdd(x, Vector256.Load(b), left);
            right = Vector256.FusedMultiplyAdd(x, Vector256.Load(b + Lanes), right);
        }
        MatrixTile8.Store(left, right, d, c);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void HalfRow(float* a, nint aStep, float* b, nint bRow, float* d, float* c, int depth)
    {
        Vector256<float> sum = default;
        for (; depth > 0; depth--, a += aStep, b += bRow) sum = Vector256.FusedMultiplyAdd(Vector256.Create(*a), Vector256.Load(b), sum);
        (d == null ? sum : sum + Vector256.Load(d)).Store(c);
    }
}
