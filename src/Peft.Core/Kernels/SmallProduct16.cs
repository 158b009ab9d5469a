using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary><see cref="SmallProduct"/> with vectors of sixteen values: AVX-512.</summary>
internal static unsafe class SmallProduct16
{
    /// <summary>Minimum number of columns.</summary>
    public const int Lanes = 16;

    private const int Tile = 6;       // rows per tile: twelve independent sums hide the latency
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
        var row = 0;
        for (; row + Tile <= rows; row += Tile, a += Tile * aRow, c += Tile * cRow)
        {
            Vector512<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default;
            Vector512<float> s30 = default, s31 = default, s40 = default, s41 = default, s50 = default, s51 = default;
            float* upper = a, lower = a + 3 * aRow, at = b;
            for (var k = 0; k < depth; k++, upper += aStep, lower += aStep, at += bRow)
            {
                Vector512<float> left = Vector512.Load(at), right = Vector512.Load(at + Lanes);
                var x = Vector512.Create(upper[0]);
                s00 = Vector512.FusedMultiplyAdd(x, left, s00);
                s01 = Vector512.FusedMultiplyAdd(x, right, s01);
                x = Vector512.Create(upper[aRow]);
                s10 = Vector512.FusedMultiplyAdd(x, left, s10);
                s11 = Vector512.FusedMultiplyAdd(x, right, s11);
                x = Vector512.Create(upper[2 * aRow]);
                s20 = Vector512.FusedMultiplyAdd(x, left, s20);
                s21 = Vector512.FusedMultiplyAdd(x, right, s21);
                x = Vector512.Create(lower[0]);
                s30 = Vector512.FusedMultiplyAdd(x, left, s30);
                s31 = Vector512.FusedMultiplyAdd(x, right, s31);
                x = Vector512.Create(lower[aRow]);
                s40 = Vector512.FusedMultiplyAdd(x, left, s40);
                s41 = Vector512.FusedMultiplyAdd(x, right, s41);
                x = Vector512.Create(lower[2 * aRow]);
                s50 = Vector512.FusedMultiplyAdd(x, left, s50);
                s51 = Vector512.FusedMultiplyAdd(x, right, s51);
            }
            var to = c;
            Store(s00, s01, to, add, shift);
            Store(s10, s11, to += cRow, add, shift);
            Store(s20, s21, to += cRow, add, shift);
            Store(s30, s31, to += cRow, add, shift);
            Store(s40, s41, to += cRow, add, shift);
            Store(s50, s51, to + cRow, add, shift);
        }
        for (; row < rows; row++, a += aRow, c += cRow)
        {
            Vector512<float> s0 = default, s1 = default;
            float* from = a, at = b;
            for (var k = 0; k < depth; k++, from += aStep, at += bRow)
            {
                var x = Vector512.Create(*from);
                s0 = Vector512.FusedMultiplyAdd(x, Vector512.Load(at), s0);
                s1 = Vector512.FusedMultiplyAdd(x, Vector512.Load(at + Lanes), s1);
            }
            Store(s0, s1, c, add, shift);
        }
    }

    [MethodImpl(JitOptions.Loop)]
    private static void One(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, int depth, bool add, nint shift)
    {
        var row = 0;
        for (; row + Tile <= rows; row += Tile, a += Tile * aRow, c += Tile * cRow)
        {
            Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default;
            float* upper = a, lower = a + 3 * aRow, at = b;
            for (var k = 0; k < depth; k++, upper += aStep, lower += aStep, at += bRow)
            {
                var line = Vector512.Load(at);
                s0 = Vector512.FusedMultiplyAdd(Vector512.Create(upper[0]), line, s0);
                s1 = Vector512.FusedMultiplyAdd(Vector512.Create(upper[aRow]), line, s1);
                s2 = Vector512.FusedMultiplyAdd(Vector512.Create(upper[2 * aRow]), line, s2);
                s3 = Vector512.FusedMultiplyAdd(Vector512.Create(lower[0]), line, s3);
                s4 = Vector512.FusedMultiplyAdd(Vector512.Create(lower[aRow]), line, s4);
                s5 = Vector512.FusedMultiplyAdd(Vector512.Create(lower[2 * aRow]), line, s5);
            }
            var to = c;
            Store(s0, to, add, shift);
            Store(s1, to += cRow, add, shift);
            Store(s2, to += cRow, add, shift);
            Store(s3, to += cRow, add, shift);
            Store(s4, to += cRow, add, shift);
            Store(s5, to + cRow, add, shift);
        }
        for (; row < rows; row++, a += aRow, c += cRow)
        {
            Vector512<float> sum = default;
            float* from = a, at = b;
            for (var k = 0; k < depth; k++, from += aStep, at += bRow) sum = Vector512.FusedMultiplyAdd(Vector512.Create(*from), Vector512.Load(at), sum);
            Store(sum, c, add, shift);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<float> left, Vector512<float> right, float* c, bool add, nint shift)
    {
        Store(left, c, add, shift);
        Store(right, c + Lanes, add, shift);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<float> sum, float* c, bool add, nint shift)
        => (add ? Vector512.FusedMultiplyAdd(Vector512.Create(1f), sum, Vector512.Load(c + shift)) : sum).Store(c);
}
