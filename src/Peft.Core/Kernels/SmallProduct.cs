using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>
/// float32 matrix products with one operand that is small or thin enough to fit into the L1 cache. BLAS would first copy both operands into another layout,
/// which costs as much as the product.
/// </summary>
internal static unsafe class SmallProduct
{
    private const int Tile = 6;       // rows per tile: twelve independent sums hide the latency
    private const int Block = 48;     // rows that stay in the cache while iterating over the columns

    /// <summary>Minimum number of columns of a product.</summary>
    public const int MinColumns = 8;

    /// <summary>Computes C = A·B. C must not overlap A or B.</summary>
    /// <param name="a">A [rows, depth].</param>
    /// <param name="aRow">Row stride of A.</param>
    /// <param name="aStep">Stride between the elements of a row of A.</param>
    /// <param name="b">B [depth, columns].</param>
    /// <param name="c">C [rows, columns].</param>
    /// <param name="rows">Number of rows of A and C.</param>
    /// <param name="depth">Number of columns of A and of rows of B.</param>
    /// <param name="columns">Number of columns of B and C, at least <see cref="MinColumns"/>.</param>
    public static void Run(float* a, int aRow, int aStep, float* b, float* c, int rows, int depth, int columns) => Run(a, aRow, aStep, b, columns, c, columns, rows, depth, columns, false);

    /// <summary>Computes C = A·B, or C + A·B, for some columns of wider matrices. C must not overlap A or B.</summary>
    /// <param name="a">A [rows, depth].</param>
    /// <param name="aRow">Row stride of A.</param>
    /// <param name="aStep">Stride between the elements of a row of A.</param>
    /// <param name="b">B [depth, columns].</param>
    /// <param name="bRow">Row stride of B.</param>
    /// <param name="c">C [rows, columns].</param>
    /// <param name="cRow">Row stride of C.</param>
    /// <param name="rows">Number of rows of A and C.</param>
    /// <param name="depth">Number of columns of A and of rows of B.</param>
    /// <param name="columns">Number of columns of B and C, at least <see cref="MinColumns"/>.</param>
    /// <param name="add">True to add to C. The number of columns must then be a multiple of <see cref="MinColumns"/>.</param>
    public static void Run(float* a, int aRow, int aStep, float* b, int bRow, float* c, int cRow, int rows, int depth, int columns, bool add)
    {
        if (!Vector512.IsHardwareAccelerated || columns < Lanes16.Count)
        {
            Run<Lanes8>(a, aRow, aStep, b, bRow, c, cRow, rows, depth, columns, add);
            return;
        }
        // When adding, remaining columns must not be processed twice.
        var wide = add ? columns - columns % Lanes16.Count : columns;
        Run<Lanes16>(a, aRow, aStep, b, bRow, c, cRow, rows, depth, wide, add);
        if (wide < columns) Run<Lanes8>(a, aRow, aStep, b + wide, bRow, c + wide, cRow, rows, depth, columns - wide, add);
    }

    /// <summary>Computes the same product with vectors of a given width, which must not exceed the number of columns.</summary>
    public static void Run<T>(float* a, int aRow, int aStep, float* b, int bRow, float* c, int cRow, int rows, int depth, int columns, bool add) where T : unmanaged, ILanes<T>
    {
        for (var row = 0; row < rows; row += Block)
        {
            var count = Math.Min(Block, rows - row);
            float* from = a + (nint)row * aRow, to = c + (nint)row * cRow;
            var column = 0;
            for (; column + 2 * T.Count <= columns; column += 2 * T.Count) Two<T>(from, aRow, aStep, b + column, bRow, to + column, cRow, count, depth, add);
            for (; column + T.Count <= columns; column += T.Count) One<T>(from, aRow, aStep, b + column, bRow, to + column, cRow, count, depth, add);
            // The remaining columns are computed together with some preceding ones, which are computed twice.
            if (column < columns) One<T>(from, aRow, aStep, b + columns - T.Count, bRow, to + columns - T.Count, cRow, count, depth, add);
        }
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Two<T>(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, int depth, bool add) where T : unmanaged, ILanes<T>
    {
        var row = 0;
        for (; row + Tile <= rows; row += Tile, a += Tile * aRow, c += Tile * cRow)
        {
            T s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default;
            T s30 = default, s31 = default, s40 = default, s41 = default, s50 = default, s51 = default;
            float* upper = a, lower = a + 3 * aRow, at = b;
            for (var k = 0; k < depth; k++, upper += aStep, lower += aStep, at += bRow)
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
            Store(s00, s01, to, add);
            Store(s10, s11, to += cRow, add);
            Store(s20, s21, to += cRow, add);
            Store(s30, s31, to += cRow, add);
            Store(s40, s41, to += cRow, add);
            Store(s50, s51, to + cRow, add);
        }
        for (; row < rows; row++, a += aRow, c += cRow)
        {
            T s0 = default, s1 = default;
            float* from = a, at = b;
            for (var k = 0; k < depth; k++, from += aStep, at += bRow)
            {
                var x = T.Of(*from);
                s0 = T.MultiplyAdd(x, T.Load(at), s0);
                s1 = T.MultiplyAdd(x, T.Load(at + T.Count), s1);
            }
            Store(s0, s1, c, add);
        }
    }

    [MethodImpl(JitOptions.Loop)]
    private static void One<T>(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, int depth, bool add) where T : unmanaged, ILanes<T>
    {
        var row = 0;
        for (; row + Tile <= rows; row += Tile, a += Tile * aRow, c += Tile * cRow)
        {
            T s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default;
            float* upper = a, lower = a + 3 * aRow, at = b;
            for (var k = 0; k < depth; k++, upper += aStep, lower += aStep, at += bRow)
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
            Store(s0, to, add);
            Store(s1, to += cRow, add);
            Store(s2, to += cRow, add);
            Store(s3, to += cRow, add);
            Store(s4, to += cRow, add);
            Store(s5, to + cRow, add);
        }
        for (; row < rows; row++, a += aRow, c += cRow)
        {
            T sum = default;
            float* from = a, at = b;
            for (var k = 0; k < depth; k++, from += aStep, at += bRow) sum = T.MultiplyAdd(T.Of(*from), T.Load(at), sum);
            Store(sum, c, add);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<T>(T left, T right, float* c, bool add) where T : unmanaged, ILanes<T>
    {
        Store(left, c, add);
        Store(right, c + T.Count, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<T>(T sum, float* c, bool add) where T : unmanaged, ILanes<T>
        => (add ? T.MultiplyAdd(T.Of(1), sum, T.Load(c)) : sum).Store(c);
}
