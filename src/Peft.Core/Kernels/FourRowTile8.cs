using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary><see cref="MatrixTile8"/> for four rows, which tiles of six leave: the eight values of a small attention head are two of them.</summary>
internal readonly unsafe struct FourRowTile8 : ITile
{
    /// <inheritdoc/>
    public static int Rows => 4;

    /// <summary>Columns of a tile: two vectors.</summary>
    public static int Columns => 16;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(float* a, nint aRow, nint aStep, float* b, nint bRow, float* d, nint dRow, float* c, nint cRow, nint depth)
    {
        Vector256<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default;
        float* upper = a, lower = a + 2 * aRow;
        for (; depth >= 4; depth -= 4, upper += 4 * aStep, lower += 4 * aStep, b += 4 * bRow)
        {
            Add(0, upper, lower, aRow, aStep, b, bRow, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21, ref s30, ref s31);
            Add(1, upper, lower, aRow, aStep, b, bRow, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21, ref s30, ref s31);
            Add(2, upper, lower, aRow, aStep, b, bRow, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21, ref s30, ref s31);
            Add(3, upper, lower, aRow, aStep, b, bRow, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21, ref s30, ref s31);
        }
        for (; depth > 0; depth--, upper += aStep, lower += aStep, b += bRow) Add(0, upper, lower, aRow, aStep, b, bRow, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21, ref s30, ref s31);
        MatrixTile8.Store(s00, s01, d, c);
        MatrixTile8.Store(s10, s11, d += dRow, c += cRow);
        MatrixTile8.Store(s20, s21, d += dRow, c += cRow);
        MatrixTile8.Store(s30, s31, d + dRow, c + cRow);
    }

    // One row of B: the k-th.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(int k, float* upper, float* lower, nint aRow, nint aStep, float* b, nint bRow, ref Vector256<float> s00, ref Vector256<float> s01, ref Vector256<float> s10, ref Vector256<float> s11,
        ref Vector256<float> s20, ref Vector256<float> s21, ref Vector256<float> s30, ref Vector256<float> s31)
    {
        Vector256<float> left = Vector256.Load(MatrixTile8.At(b, bRow, k, 0, 0)), right = Vector256.Load(MatrixTile8.At(b, bRow, k, 0, 0) + 8);
        var x = Vector256.Create(*MatrixTile8.At(upper, aStep, k, aRow, 0));
        s00 = Vector256.FusedMultiplyAdd(x, left, s00);
        s01 = Vector256.FusedMultiplyAdd(x, right, s01);
        x = Vector256.Create(*MatrixTile8.At(upper, aStep, k, aRow, 1));
        s10 = Vector256.FusedMultiplyAdd(x, left, s10);
        s11 = Vector256.FusedMultiplyAdd(x, right, s11);
        x = Vector256.Create(*MatrixTile8.At(lower, aStep, k, aRow, 0));
        s20 = Vector256.FusedMultiplyAdd(x, left, s20);
        s21 = Vector256.FusedMultiplyAdd(x, right, s21);
        x = Vector256.Create(*MatrixTile8.At(lower, aStep, k, aRow, 1));
        s30 = Vector256.FusedMultiplyAdd(x, left, s30);
        s31 = Vector256.FusedMultiplyAdd(x, right, s31);
    }
}
