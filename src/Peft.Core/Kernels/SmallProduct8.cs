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
        var shift = d is null ? 0 : (nint)(d - c);
        for (var row = 0; row < rows; row += Block)
        {
            var count = Math.Min(Block, rows - row);
            float* from = a + (nint)row * aRow, to = c + (nint)row * cRow;
            var column = 0;
            for (; column + 2 * Lanes <= columns; column += 2 * Lanes) Two(from, aRow, aStep, b + column, bRow, to + column, cRow, count, depth, d is not null, shift);
            for (; column + Lanes <= columns; column += Lanes) One(from, aRow, aStep, b + column, bRow, to + column, cRow, count, depth, d is not null, shift);
            // The remaining columns are computed together with some preceding ones, which are computed twice.
            if (column < columns) One(from, aRow, aStep, b + columns - Lanes, bRow, to + columns - Lanes, cRow, count, depth, d is not null, shift);
        }
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Two(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, int depth, bool add, nint shift)
    {
        var tiles = rows / MatrixTile8.Rows;
        MatrixTile8.Run(a, aRow, aStep, b, bRow, add ? c + shift : null, cRow, c, cRow, depth, tiles);
        var row = tiles * MatrixTile8.Rows;
        a += row * aRow;
        c += row * cRow;
        for (; row < rows; row++, a += aRow, c += cRow)
        {
            Vector256<float> s0 = default, s1 = default;
            float* from = a, at = b;
            for (var k = 0; k < depth; k++, from += aStep, at += bRow)
            {
                var x = Vector256.Create(*from);
                s0 = Vector256.FusedMultiplyAdd(x, Vector256.Load(at), s0);
                s1 = Vector256.FusedMultiplyAdd(x, Vector256.Load(at + Lanes), s1);
            }
            Store(s0, s1, c, add, shift);
        }
    }

    [MethodImpl(JitOptions.Loop)]
    private static void One(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, int depth, bool add, nint shift)
    {
        var tiles = rows / ColumnTile8.Rows;
        ColumnTile8.Run(a, aRow, aStep, b, bRow, add ? c + shift : null, cRow, c, cRow, depth, tiles);
        var row = tiles * ColumnTile8.Rows;
        a += row * aRow;
        c += row * cRow;
        for (; row < rows; row++, a += aRow, c += cRow)
        {
            Vector256<float> sum = default;
            float* from = a, at = b;
            for (var k = 0; k < depth; k++, from += aStep, at += bRow) sum = Vector256.FusedMultiplyAdd(Vector256.Create(*from), Vector256.Load(at), sum);
            Store(sum, c, add, shift);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<float> left, Vector256<float> right, float* c, bool add, nint shift)
    {
        Store(left, c, add, shift);
        Store(right, c + Lanes, add, shift);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<float> sum, float* c, bool add, nint shift)
        => (add ? Vector256.FusedMultiplyAdd(Vector256.Create(1f), sum, Vector256.Load(c + shift)) : sum).Store(c);
}
