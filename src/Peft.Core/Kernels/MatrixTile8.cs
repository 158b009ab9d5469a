using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>The innermost loop of <see cref="MatrixProduct"/> with vectors of eight values: AVX2.</summary>
internal static unsafe class MatrixTile8
{
    /// <summary>Rows of a tile, and columns: three vectors.</summary>
    public const int Rows = 4, Columns = 24;

    /// <summary>Computes C = A·B or D + A·B for one tile: each sum is in a register.</summary>
    /// <param name="a">A <c>[4, depth]</c>.</param>
    /// <param name="aRow">Row stride of A.</param>
    /// <param name="b">B <c>[depth, 24]</c>, contiguous.</param>
    /// <param name="d">D <c>[4, 24]</c>, which may be C; null for none.</param>
    /// <param name="dRow">Row stride of D; 0 for one row that is added to all.</param>
    /// <param name="c">C <c>[4, 24]</c>.</param>
    /// <param name="cRow">Row stride of C.</param>
    /// <param name="depth">Number of columns of A and of rows of B.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Run(float* a, nint aRow, float* b, float* d, nint dRow, float* c, nint cRow, nint depth)
    {
        Vector256<float> s00 = default, s01 = default, s02 = default;
        Vector256<float> s10 = default, s11 = default, s12 = default;
        Vector256<float> s20 = default, s21 = default, s22 = default;
        Vector256<float> s30 = default, s31 = default, s32 = default;
        float* a0 = a, a1 = a0 + 3 * aRow, end = b + depth * Columns;
        for (; b < end; b += Columns, a0++, a1++)
        {
            Vector256<float> left = Vector256.Load(b), middle = Vector256.Load(b + 8), right = Vector256.Load(b + 16);
            var x = Vector256.Create(a0[0]);
            s00 = Vector256.FusedMultiplyAdd(x, left, s00);
            s01 = Vector256.FusedMultiplyAdd(x, middle, s01);
            s02 = Vector256.FusedMultiplyAdd(x, right, s02);
            x = Vector256.Create(a0[aRow]);
            s10 = Vector256.FusedMultiplyAdd(x, left, s10);
            s11 = Vector256.FusedMultiplyAdd(x, middle, s11);
            s12 = Vector256.FusedMultiplyAdd(x, right, s12);
            x = Vector256.Create(a0[2 * aRow]);
            s20 = Vector256.FusedMultiplyAdd(x, left, s20);
            s21 = Vector256.FusedMultiplyAdd(x, middle, s21);
            s22 = Vector256.FusedMultiplyAdd(x, right, s22);
            x = Vector256.Create(a1[0]);
            s30 = Vector256.FusedMultiplyAdd(x, left, s30);
            s31 = Vector256.FusedMultiplyAdd(x, middle, s31);
            s32 = Vector256.FusedMultiplyAdd(x, right, s32);
        }
        Store(s00, s01, s02, d, c);
        Store(s10, s11, s12, d += dRow, c += cRow);
        Store(s20, s21, s22, d += dRow, c += cRow);
        Store(s30, s31, s32, d += dRow, c += cRow);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<float> left, Vector256<float> middle, Vector256<float> right, float* d, float* c)
    {
        if (d != null)
        {
            left += Vector256.Load(d);
            middle += Vector256.Load(d + 8);
            right += Vector256.Load(d + 16);
        }
        left.Store(c);
        middle.Store(c + 8);
        right.Store(c + 16);
    }
}
