using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>The innermost loop of <see cref="MatrixProduct"/> and <see cref="TileProducts"/> with vectors of sixteen values: AVX-512.</summary>
internal static unsafe class MatrixTile16
{
    /// <summary>Rows of a tile, and columns: three vectors.</summary>
    public const int Rows = 8, Columns = 48;

    /// <summary>Computes C = A·B or D + A·B for one tile: each sum is in a register.</summary>
    /// <param name="a">A <c>[8, depth]</c>.</param>
    /// <param name="aRow">Row stride of A.</param>
    /// <param name="aStep">Stride between the elements of a row of A.</param>
    /// <param name="b">B <c>[depth, 48]</c>.</param>
    /// <param name="bRow">Row stride of B.</param>
    /// <param name="d">D <c>[8, 48]</c>, which may be C; null for none.</param>
    /// <param name="dRow">Row stride of D; 0 for one row that is added to all.</param>
    /// <param name="c">C <c>[8, 48]</c>.</param>
    /// <param name="cRow">Row stride of C.</param>
    /// <param name="depth">Number of columns of A and of rows of B.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Run(float* a, nint aRow, nint aStep, float* b, nint bRow, float* d, nint dRow, float* c, nint cRow, nint depth)
    {
        Vector512<float> s00 = default, s01 = default, s02 = default;
        Vector512<float> s10 = default, s11 = default, s12 = default;
        Vector512<float> s20 = default, s21 = default, s22 = default;
        Vector512<float> s30 = default, s31 = default, s32 = default;
        Vector512<float> s40 = default, s41 = default, s42 = default;
        Vector512<float> s50 = default, s51 = default, s52 = default;
        Vector512<float> s60 = default, s61 = default, s62 = default;
        Vector512<float> s70 = default, s71 = default, s72 = default;
        float* a0 = a, a1 = a0 + 3 * aRow, a2 = a1 + 3 * aRow;
        for (; depth > 0; depth--, b += bRow, a0 += aStep, a1 += aStep, a2 += aStep)
        {
            Vector512<float> left = Vector512.Load(b), middle = Vector512.Load(b + 16), right = Vector512.Load(b + 32);
            var x = Vector512.Create(a0[0]);
            s00 = Vector512.FusedMultiplyAdd(x, left, s00);
            s01 = Vector512.FusedMultiplyAdd(x, middle, s01);
            s02 = Vector512.FusedMultiplyAdd(x, right, s02);
            x = Vector512.Create(a0[aRow]);
            s10 = Vector512.FusedMultiplyAdd(x, left, s10);
            s11 = Vector512.FusedMultiplyAdd(x, middle, s11);
            s12 = Vector512.FusedMultiplyAdd(x, right, s12);
            x = Vector512.Create(a0[2 * aRow]);
            s20 = Vector512.FusedMultiplyAdd(x, left, s20);
            s21 = Vector512.FusedMultiplyAdd(x, middle, s21);
            s22 = Vector512.FusedMultiplyAdd(x, right, s22);
            x = Vector512.Create(a1[0]);
            s30 = Vector512.FusedMultiplyAdd(x, left, s30);
            s31 = Vector512.FusedMultiplyAdd(x, middle, s31);
            s32 = Vector512.FusedMultiplyAdd(x, right, s32);
            x = Vector512.Create(a1[aRow]);
            s40 = Vector512.FusedMultiplyAdd(x, left, s40);
            s41 = Vector512.FusedMultiplyAdd(x, middle, s41);
            s42 = Vector512.FusedMultiplyAdd(x, right, s42);
            x = Vector512.Create(a1[2 * aRow]);
            s50 = Vector512.FusedMultiplyAdd(x, left, s50);
            s51 = Vector512.FusedMultiplyAdd(x, middle, s51);
            s52 = Vector512.FusedMultiplyAdd(x, right, s52);
            x = Vector512.Create(a2[0]);
            s60 = Vector512.FusedMultiplyAdd(x, left, s60);
            s61 = Vector512.FusedMultiplyAdd(x, middle, s61);
            s62 = Vector512.FusedMultiplyAdd(x, right, s62);
            x = Vector512.Create(a2[aRow]);
            s70 = Vector512.FusedMultiplyAdd(x, left, s70);
            s71 = Vector512.FusedMultiplyAdd(x, middle, s71);
            s72 = Vector512.FusedMultiplyAdd(x, right, s72);
        }
        Store(s00, s01, s02, d, c);
        Store(s10, s11, s12, d += dRow, c += cRow);
        Store(s20, s21, s22, d += dRow, c += cRow);
        Store(s30, s31, s32, d += dRow, c += cRow);
        Store(s40, s41, s42, d += dRow, c += cRow);
        Store(s50, s51, s52, d += dRow, c += cRow);
        Store(s60, s61, s62, d += dRow, c += cRow);
        Store(s70, s71, s72, d += dRow, c += cRow);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<float> left, Vector512<float> middle, Vector512<float> right, float* d, float* c)
    {
        if (d != null)
        {
            left += Vector512.Load(d);
            middle += Vector512.Load(d + 16);
            right += Vector512.Load(d + 32);
        }
        left.Store(c);
        middle.Store(c + 16);
        right.Store(c + 32);
    }
}
