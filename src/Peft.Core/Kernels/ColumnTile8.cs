using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>The innermost loop of products with eight columns, with vectors of eight values: as <see cref="MatrixTile8"/>, with eight sums, enough to hide the latency.</summary>
internal readonly unsafe struct ColumnTile8 : ITile
{
    /// <inheritdoc/>
    public static int Rows => 8;

    /// <summary>Columns of a tile: one vector.</summary>
    public static int Columns => 8;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(float* a, nint aRow, nint aStep, float* b, nint bRow, float* d, nint dRow, float* c, nint cRow, nint depth)
    {
        Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default;
        float* upper = a, middle = a + 3 * aRow, lower = middle + 3 * aRow;
        for (; depth >= 4; depth -= 4, upper += 4 * aStep, middle += 4 * aStep, lower += 4 * aStep, b += 4 * bRow)
        {
            Add(0, upper, middle, lower, aRow, aStep, b, bRow, ref s0, ref s1, ref s2, ref s3, ref s4, ref s5, ref s6, ref s7);
            Add(1, upper, middle, lower, aRow, aStep, b, bRow, ref s0, ref s1, ref s2, ref s3, ref s4, ref s5, ref s6, ref s7);
            Add(2, upper, middle, lower, aRow, aStep, b, bRow, ref s0, ref s1, ref s2, ref s3, ref s4, ref s5, ref s6, ref s7);
            Add(3, upper, middle, lower, aRow, aStep, b, bRow, ref s0, ref s1, ref s2, ref s3, ref s4, ref s5, ref s6, ref s7);
        }
        for (; depth > 0; depth--, upper += aStep, middle += aStep, lower += aStep, b += bRow)
            Add(0, upper, middle, lower, aRow, aStep, b, bRow, ref s0, ref s1, ref s2, ref s3, ref s4, ref s5, ref s6, ref s7);
        Store(s0, d, c);
        Store(s1, d += dRow, c += cRow);
        Store(s2, d += dRow, c += cRow);
        Store(s3, d += dRow, c += cRow);
        Store(s4, d += dRow, c += cRow);
        Store(s5, d += dRow, c += cRow);
        Store(s6, d += dRow, c += cRow);
        Store(s7, d + dRow, c + cRow);
    }

    // One row of B: the k-th.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(int k, float* upper, float* middle, float* lower, nint aRow, nint aStep, float* b, nint bRow, ref Vector256<float> s0, ref Vector256<float> s1, ref Vector256<float> s2, ref Vector256<float> s3,
        ref Vector256<float> s4, ref Vector256<float> s5, ref Vector256<float> s6, ref Vector256<float> s7)
    {
        var line = Vector256.Load(MatrixTile8.At(b, bRow, k, 0, 0));
        s0 = Vector256.FusedMultiplyAdd(Vector256.Create(*MatrixTile8.At(upper, aStep, k, aRow, 0)), line, s0);
        s1 = Vector256.FusedMultiplyAdd(Vector256.Create(*MatrixTile8.At(upper, aStep, k, aRow, 1)), line, s1);
        s2 = Vector256.FusedMultiplyAdd(Vector256.Create(*MatrixTile8.At(upper, aStep, k, aRow, 2)), line, s2);
        s3 = Vector256.FusedMultiplyAdd(Vector256.Create(*MatrixTile8.At(middle, aStep, k, aRow, 0)), line, s3);
        s4 = Vector256.FusedMultiplyAdd(Vector256.Create(*MatrixTile8.At(middle, aStep, k, aRow, 1)), line, s4);
        s5 = Vector256.FusedMultiplyAdd(Vector256.Create(*MatrixTile8.At(middle, aStep, k, aRow, 2)), line, s5);
        s6 = Vector256.FusedMultiplyAdd(Vector256.Create(*MatrixTile8.At(lower, aStep, k, aRow, 0)), line, s6);
        s7 = Vector256.FusedMultiplyAdd(Vector256.Create(*MatrixTile8.At(lower, aStep, k, aRow, 1)), line, s7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<float> sum, float* d, float* c) => (d != null ? sum + Vector256.Load(d) : sum).Store(c);
}
