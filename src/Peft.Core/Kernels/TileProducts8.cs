using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary><see cref="TileProducts"/> for eight columns.</summary>
internal static unsafe class TileProducts8
{
    /// <inheritdoc cref="TileProducts.Run"/>
    public static void Run(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, nint depth, bool add)
    {
        var row = Vector512.IsHardwareAccelerated ? SixteenByEight(a, aRow, aStep, b, bRow, c, cRow, rows, depth, add) : 0;
        var tiles = (rows - row) / ColumnTile8.Rows;
        TileLoop.Run<ColumnTile8>(a + row * aRow, aRow, aStep, b, bRow, add ? c + row * cRow : null, cRow, c + row * cRow, cRow, depth, tiles);
        row += tiles * ColumnTile8.Rows;
        for (; row < rows; row++) One(a + row * aRow, aStep, b, bRow, c + row * cRow, depth, add);
    }

    // Sixteen sums hide the latency of two operations at a time better than eight; without AVX-512, there are too few registers. Returns the number of rows, a multiple of 16.
    [MethodImpl(JitOptions.Loop)]
    private static int SixteenByEight(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, nint depth, bool add)
    {
        var row = 0;
        for (; row + 16 <= rows; row += 16, a += 16 * aRow, c += 16 * cRow)
        {
            Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default;
            Vector256<float> t0 = default, t1 = default, t2 = default, t3 = default, t4 = default, t5 = default, t6 = default, t7 = default;
            float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, at = b;
            var below = 4 * aRow;
            for (nint k = 0, step = 0; k < depth; k++, step += aStep, at += bRow)
            {
                var line = Vector256.Load(at);
                var next = step;
                s0 = Vector256.FusedMultiplyAdd(Vector256.Create(a[next]), line, s0);
                s1 = Vector256.FusedMultiplyAdd(Vector256.Create(a1[next]), line, s1);
                s2 = Vector256.FusedMultiplyAdd(Vector256.Create(a2[next]), line, s2);
                s3 = Vector256.FusedMultiplyAdd(Vector256.Create(a3[next]), line, s3);
                next += below;
                s4 = Vector256.FusedMultiplyAdd(Vector256.Create(a[next]), line, s4);
                s5 = Vector256.FusedMultiplyAdd(Vector256.Create(a1[next]), line, s5);
                s6 = Vector256.FusedMultiplyAdd(Vector256.Create(a2[next]), line, s6);
                s7 = Vector256.FusedMultiplyAdd(Vector256.Create(a3[next]), line, s7);
                next += below;
                t0 = Vector256.FusedMultiplyAdd(Vector256.Create(a[next]), line, t0);
                t1 = Vector256.FusedMultiplyAdd(Vector256.Create(a1[next]), line, t1);
                t2 = Vector256.FusedMultiplyAdd(Vector256.Create(a2[next]), line, t2);
                t3 = Vector256.FusedMultiplyAdd(Vector256.Create(a3[next]), line, t3);
                next += below;
                t4 = Vector256.FusedMultiplyAdd(Vector256.Create(a[next]), line, t4);
                t5 = Vector256.FusedMultiplyAdd(Vector256.Create(a1[next]), line, t5);
                t6 = Vector256.FusedMultiplyAdd(Vector256.Create(a2[next]), line, t6);
                t7 = Vector256.FusedMultiplyAdd(Vector256.Create(a3[next]), line, t7);
            }
            var to = c;
            Store(s0, to, add);
            Store(s1, to += cRow, add);
            Store(s2, to += cRow, add);
            Store(s3, to += cRow, add);
            Store(s4, to += cRow, add);
            Store(s5, to += cRow, add);
            Store(s6, to += cRow, add);
            Store(s7, to += cRow, add);
            Store(t0, to += cRow, add);
            Store(t1, to += cRow, add);
            Store(t2, to += cRow, add);
            Store(t3, to += cRow, add);
            Store(t4, to += cRow, add);
            Store(t5, to += cRow, add);
            Store(t6, to += cRow, add);
            Store(t7, to + cRow, add);
        }
        return row;
    }

    /// <summary>Computes one row and eight columns.</summary>
    [MethodImpl(JitOptions.Loop)]
    public static void One(float* a, nint aStep, float* b, nint bRow, float* c, nint depth, bool add)
    {
        Vector256<float> even = default, odd = default;
        nint k = 0;
        for (; k + 2 <= depth; k += 2)
        {
            even = Vector256.FusedMultiplyAdd(Vector256.Create(a[k * aStep]), Vector256.Load(b + k * bRow), even);
            odd = Vector256.FusedMultiplyAdd(Vector256.Create(a[(k + 1) * aStep]), Vector256.Load(b + (k + 1) * bRow), odd);
        }
        if (k < depth) even = Vector256.FusedMultiplyAdd(Vector256.Create(a[k * aStep]), Vector256.Load(b + k * bRow), even);
        Store(even + odd, c, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<float> sum, float* c, bool add) => (add ? sum + Vector256.Load(c) : sum).Store(c);
}
