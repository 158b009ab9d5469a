using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>The innermost loop of <see cref="MatrixProduct"/>, <see cref="SmallProduct"/> and <see cref="TileProducts"/> with vectors of eight values: AVX2.</summary>
/// <remarks>
/// Twelve sums, two vectors of B and a value of A fill the registers; each value of B is used six times.
/// On a core that runs another thread too, instructions limit the loop, not multiplications: on a Zen 3, twelve operations with fourteen other instructions reached 65 GFLOPS, with nine to ten 77, of 90. So four steps follow each other, and
/// an address is a base, one stride times four or eight bytes, and a constant.
/// </remarks>
internal readonly unsafe struct MatrixTile8 : ITile
{
    /// <inheritdoc/>
    public static int Rows => 6;

    /// <summary>Columns of a tile: two vectors.</summary>
    public static int Columns => 16;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(float* a, nint aRow, nint aStep, float* b, nint bRow, float* d, nint dRow, float* c, nint cRow, nint depth)
    {
        Vector256<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default;
        Vector256<float> s30 = default, s31 = default, s40 = default, s41 = default, s50 = default, s51 = default;
        float* upper = a, lower = a + 3 * aRow;
        for (; depth >= 4; depth -= 4, upper += 4 * aStep, lower += 4 * aStep, b += 4 * bRow)
        {
            Add(0, upper, lower, aRow, aStep, b, bRow, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21, ref s30, ref s31, ref s40, ref s41, ref s50, ref s51);
            Add(1, upper, lower, aRow, aStep, b, bRow, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21, ref s30, ref s31, ref s40, ref s41, ref s50, ref s51);
            Add(2, upper, lower, aRow, aStep, b, bRow, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21, ref s30, ref s31, ref s40, ref s41, ref s50, ref s51);
            Add(3, upper, lower, aRow, aStep, b, bRow, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21, ref s30, ref s31, ref s40, ref s41, ref s50, ref s51);
        }
        for (; depth > 0; depth--, upper += aStep, lower += aStep, b += bRow)
            Add(0, upper, lower, aRow, aStep, b, bRow, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21, ref s30, ref s31, ref s40, ref s41, ref s50, ref s51);
        Store(s00, s01, d, c);
        Store(s10, s11, d += dRow, c += cRow);
        Store(s20, s21, d += dRow, c += cRow);
        Store(s30, s31, d += dRow, c += cRow);
        Store(s40, s41, d += dRow, c += cRow);
        Store(s50, s51, d + dRow, c + cRow);
    }

    // One row of B: the k-th.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(int k, float* upper, float* lower, nint aRow, nint aStep, float* b, nint bRow, ref Vector256<float> s00, ref Vector256<float> s01, ref Vector256<float> s10, ref Vector256<float> s11,
        ref Vector256<float> s20, ref Vector256<float> s21, ref Vector256<float> s30, ref Vector256<float> s31, ref Vector256<float> s40, ref Vector256<float> s41, ref Vector256<float> s50, ref Vector256<float> s51)
    {
        Vector256<float> left = Vector256.Load(At(b, bRow, k, 0, 0)), right = Vector256.Load(At(b, bRow, k, 0, 0) + 8);
        var x = Vector256.Create(*At(upper, aStep, k, aRow, 0));
        s00 = Vector256.FusedMultiplyAdd(x, left, s00);
        s01 = Vector256.FusedMultiplyAdd(x, right, s01);
        x = Vector256.Create(*At(upper, aStep, k, aRow, 1));
        s10 = Vector256.FusedMultiplyAdd(x, left, s10);
        s11 = Vector256.FusedMultiplyAdd(x, right, s11);
        x = Vector256.Create(*At(upper, aStep, k, aRow, 2));
        s20 = Vector256.FusedMultiplyAdd(x, left, s20);
        s21 = Vector256.FusedMultiplyAdd(x, right, s21);
        x = Vector256.Create(*At(lower, aStep, k, aRow, 0));
        s30 = Vector256.FusedMultiplyAdd(x, left, s30);
        s31 = Vector256.FusedMultiplyAdd(x, right, s31);
        x = Vector256.Create(*At(lower, aStep, k, aRow, 1));
        s40 = Vector256.FusedMultiplyAdd(x, left, s40);
        s41 = Vector256.FusedMultiplyAdd(x, right, s41);
        x = Vector256.Create(*At(lower, aStep, k, aRow, 2));
        s50 = Vector256.FusedMultiplyAdd(x, left, s50);
        s51 = Vector256.FusedMultiplyAdd(x, right, s51);
    }

    /// <summary>The address of an element: products of a stride with 4 or 8 bytes are part of it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float* At(float* first, nint step, int k, nint row, int r) => (float*)((byte*)first + row * (r * sizeof(float)) + step * (k * sizeof(float)));

    /// <summary>Stores the sums of a row, with those of D if there is one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<float> left, Vector256<float> right, float* d, float* c)
    {
        if (d != null)
        {
            left += Vector256.Load(d);
            right += Vector256.Load(d + 8);
        }
        left.Store(c);
        right.Store(c + 8);
    }
}
