using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>The innermost loop of <see cref="MatrixProduct"/> with vectors of eight values: AVX2.</summary>
internal static unsafe class MatrixTile8
{
    /// <summary>Rows of a tile, and columns: two vectors. Twelve sums, two parts of B and a value of A fill the registers; each value of B, which comes from the L2 cache, is used six times.</summary>
    public const int Rows = 6, Columns = 16;

    /// <summary>Computes C = A·B or D + A·B for one tile: each sum is in a register.</summary>
    /// <param name="a">A <c>[6, depth]</c>.</param>
    /// <param name="aRow">Row stride of A.</param>
    /// <param name="b">B <c>[depth, 16]</c>, contiguous.</param>
    /// <param name="d">D <c>[6, 16]</c>, which may be C; null for none.</param>
    /// <param name="dRow">Row stride of D; 0 for one row that is added to all.</param>
    /// <param name="c">C <c>[6, 16]</c>.</param>
    /// <param name="cRow">Row stride of C.</param>
    /// <param name="depth">Number of columns of A and of rows of B.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Run(float* a, nint aRow, float* b, float* d, nint dRow, float* c, nint cRow, nint depth)
    {
        Vector256<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default;
        Vector256<float> s30 = default, s31 = default, s40 = default, s41 = default, s50 = default, s51 = default;
        float* upper = a, lower = a + 3 * aRow, end = b + depth * Columns;
        for (; b < end; b += Columns, upper++, lower++)
        {
            Vector256<float> left = Vector256.Load(b), right = Vector256.Load(b + 8);
            var x = Vector256.Create(upper[0]);
            s00 = Vector256.FusedMultiplyAdd(x, left, s00);
            s01 = Vector256.FusedMultiplyAdd(x, right, s01);
            x = Vector256.Create(upper[aRow]);
            s10 = Vector256.FusedMultiplyAdd(x, left, s10);
            s11 = Vector256.FusedMultiplyAdd(x, right, s11);
            x = Vector256.Create(upper[2 * aRow]);
            s20 = Vector256.FusedMultiplyAdd(x, left, s20);
            s21 = Vector256.FusedMultiplyAdd(x, right, s21);
            x = Vector256.Create(lower[0]);
            s30 = Vector256.FusedMultiplyAdd(x, left, s30);
            s31 = Vector256.FusedMultiplyAdd(x, right, s31);
            x = Vector256.Create(lower[aRow]);
            s40 = Vector256.FusedMultiplyAdd(x, left, s40);
            s41 = Vector256.FusedMultiplyAdd(x, right, s41);
            x = Vector256.Create(lower[2 * aRow]);
            s50 = Vector256.FusedMultiplyAdd(x, left, s50);
            s51 = Vector256.FusedMultiplyAdd(x, right, s51);
        }
        Store(s00, s01, d, c);
        Store(s10, s11, d += dRow, c += cRow);
        Store(s20, s21, d += dRow, c += cRow);
        Store(s30, s31, d += dRow, c += cRow);
        Store(s40, s41, d += dRow, c += cRow);
        Store(s50, s51, d += dRow, c += cRow);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<float> left, Vector256<float> right, float* d, float* c)
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
