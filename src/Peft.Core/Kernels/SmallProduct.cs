using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>
/// Products of matrices of which one is small enough to stay in the processor's nearest memory, in float32: BLAS would copy both into another order
/// first, which costs as much as the product.
/// </summary>
internal static unsafe class SmallProduct
{
    private const int Tile = 6;       // rows: twelve sums at a time, so that none waits for the one before
    private const int Block = 48;     // rows that stay near while the columns pass

    /// <summary>The fewest columns of a product.</summary>
    public const int MinColumns = 8;

    /// <summary>C = A·B. C must not overlap A or B.</summary>
    /// <param name="a">A [rows, depth].</param>
    /// <param name="aRow">Distance of A's rows.</param>
    /// <param name="aStep">Distance of the elements of a row of A.</param>
    /// <param name="b">B [depth, columns].</param>
    /// <param name="c">C [rows, columns].</param>
    /// <param name="rows">Rows of A and C.</param>
    /// <param name="depth">Length of the sums.</param>
    /// <param name="columns">Columns of B and C, at least <see cref="MinColumns"/>.</param>
    public static void Run(float* a, int aRow, int aStep, float* b, float* c, int rows, int depth, int columns)
    {
        if (Vector512.IsHardwareAccelerated && columns >= Lanes16.Count) Run<Lanes16>(a, aRow, aStep, b, c, rows, depth, columns);
        else Run<Lanes8>(a, aRow, aStep, b, c, rows, depth, columns);
    }

    /// <summary>The same in vectors of a given width, no wider than the columns.</summary>
    public static void Run<T>(float* a, int aRow, int aStep, float* b, float* c, int rows, int depth, int columns) where T : unmanaged, ILanes<T>
    {
        for (var row = 0; row < rows; row += Block)
        {
            var count = Math.Min(Block, rows - row);
            float* from = a + (nint)row * aRow, to = c + (nint)row * columns;
            var column = 0;
            for (; column + 2 * T.Count <= columns; column += 2 * T.Count) Two<T>(from, aRow, aStep, b + column, to + column, count, depth, columns);
            for (; column + T.Count <= columns; column += T.Count) One<T>(from, aRow, aStep, b + column, to + column, count, depth, columns);
            // What is left is computed with some columns before it, once more.
            if (column < columns) One<T>(from, aRow, aStep, b + columns - T.Count, to + columns - T.Count, count, depth, columns);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Two<T>(float* a, nint aRow, nint aStep, float* b, float* c, int rows, int depth, nint stride) where T : unmanaged, ILanes<T>
    {
        var row = 0;
        for (; row + Tile <= rows; row += Tile, a += Tile * aRow, c += Tile * stride)
        {
            T s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default;
            T s30 = default, s31 = default, s40 = default, s41 = default, s50 = default, s51 = default;
            float* upper = a, lower = a + 3 * aRow, at = b;
            for (var k = 0; k < depth; k++, upper += aStep, lower += aStep, at += stride)
            {
                T left = T.Load(at), right = T.Load(at + T.Count);
                var x = T.Of(upper[0]);
                s00 = T.MultiplyAdd(x, left, s00);
                s01 = T.MultiplyAdd(x, right, s01);
                x = T.Of(upper[aRow]);
                s10 = T.MultiplyAdd(x, left, s10);
                s11 = T.MultiplyAdd(x, right, s11);
                x = T.Of(upper[2 * aRow]);
                s20 = T.MultiplyAdd(x, left, s20);
                s21 = T.MultiplyAdd(x, right, s21);
                x = T.Of(lower[0]);
                s30 = T.MultiplyAdd(x, left, s30);
                s31 = T.MultiplyAdd(x, right, s31);
                x = T.Of(lower[aRow]);
                s40 = T.MultiplyAdd(x, left, s40);
                s41 = T.MultiplyAdd(x, right, s41);
                x = T.Of(lower[2 * aRow]);
                s50 = T.MultiplyAdd(x, left, s50);
                s51 = T.MultiplyAdd(x, right, s51);
            }
            var to = c;
            Store(s00, s01, to);
            Store(s10, s11, to += stride);
            Store(s20, s21, to += stride);
            Store(s30, s31, to += stride);
            Store(s40, s41, to += stride);
            Store(s50, s51, to + stride);
        }
        for (; row < rows; row++, a += aRow, c += stride)
        {
            T s0 = default, s1 = default;
            float* from = a, at = b;
            for (var k = 0; k < depth; k++, from += aStep, at += stride)
            {
                var x = T.Of(*from);
                s0 = T.MultiplyAdd(x, T.Load(at), s0);
                s1 = T.MultiplyAdd(x, T.Load(at + T.Count), s1);
            }
            Store(s0, s1, c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One<T>(float* a, nint aRow, nint aStep, float* b, float* c, int rows, int depth, nint stride) where T : unmanaged, ILanes<T>
    {
        var row = 0;
        for (; row + Tile <= rows; row += Tile, a += Tile * aRow, c += Tile * stride)
        {
            T s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default;
            float* upper = a, lower = a + 3 * aRow, at = b;
            for (var k = 0; k < depth; k++, upper += aStep, lower += aStep, at += stride)
            {
                var line = T.Load(at);
                s0 = T.MultiplyAdd(T.Of(upper[0]), line, s0);
                s1 = T.MultiplyAdd(T.Of(upper[aRow]), line, s1);
                s2 = T.MultiplyAdd(T.Of(upper[2 * aRow]), line, s2);
                s3 = T.MultiplyAdd(T.Of(lower[0]), line, s3);
                s4 = T.MultiplyAdd(T.Of(lower[aRow]), line, s4);
                s5 = T.MultiplyAdd(T.Of(lower[2 * aRow]), line, s5);
            }
            var to = c;
            s0.Store(to);
            s1.Store(to += stride);
            s2.Store(to += stride);
            s3.Store(to += stride);
            s4.Store(to += stride);
            s5.Store(to + stride);
        }
        for (; row < rows; row++, a += aRow, c += stride)
        {
            T sum = default;
            float* from = a, at = b;
            for (var k = 0; k < depth; k++, from += aStep, at += stride) sum = T.MultiplyAdd(T.Of(*from), T.Load(at), sum);
            sum.Store(c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<T>(T left, T right, float* c) where T : unmanaged, ILanes<T>
    {
        left.Store(c);
        right.Store(c + T.Count);
    }
}
