using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>Matrix products of four rows at a time, in registers: what attention over short heads consists of.</summary>
internal static unsafe class ThinProducts
{
    /// <summary>Rows that each product takes.</summary>
    public const int Rows = 4;

    /// <summary>Columns are padded to a multiple of this.</summary>
    public const int Columns = 16;

    /// <summary>s[r, j] = Σ_d a[r, d]·b[d, j], for four rows and a multiple of 16 columns.</summary>
    /// <param name="a">[4, size]</param>
    /// <param name="size">Length of the sum.</param>
    /// <param name="b">[size, stride]</param>
    /// <param name="stride">Distance of the rows of b and of s.</param>
    /// <param name="columns">Columns to fill.</param>
    /// <param name="s">[4, stride]</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(float* a, int size, float* b, int stride, int columns, float* s)
    {
        for (var j = 0; j < columns; j += Columns)
        {
            Vector256<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default;
            var row = b + j;
            for (var d = 0; d < size; d++, row += stride)
            {
                var (left, right) = (Vector256.Load(row), Vector256.Load(row + 8));
                var x = Vector256.Create(a[d]);
                s00 = Vector256.FusedMultiplyAdd(x, left, s00);
                s01 = Vector256.FusedMultiplyAdd(x, right, s01);
                x = Vector256.Create(a[size + d]);
                s10 = Vector256.FusedMultiplyAdd(x, left, s10);
                s11 = Vector256.FusedMultiplyAdd(x, right, s11);
                x = Vector256.Create(a[2 * size + d]);
                s20 = Vector256.FusedMultiplyAdd(x, left, s20);
                s21 = Vector256.FusedMultiplyAdd(x, right, s21);
                x = Vector256.Create(a[3 * size + d]);
                s30 = Vector256.FusedMultiplyAdd(x, left, s30);
                s31 = Vector256.FusedMultiplyAdd(x, right, s31);
            }
            var to = s + j;
            s00.Store(to);
            s01.Store(to + 8);
            s10.Store(to + stride);
            s11.Store(to + stride + 8);
            s20.Store(to + 2 * stride);
            s21.Store(to + 2 * stride + 8);
            s30.Store(to + 3 * stride);
            s31.Store(to + 3 * stride + 8);
        }
    }

    /// <summary>o[r, d] = Σ_j p[r, j]·v[j, d], for four rows, an even number of columns and a size that 8 divides.</summary>
    /// <param name="p">[4, stride]</param>
    /// <param name="stride">Distance of the rows of p.</param>
    /// <param name="columns">Length of the sum.</param>
    /// <param name="v">[columns, size]</param>
    /// <param name="size">Columns of the result.</param>
    /// <param name="o">[4, size]</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Combine(float* p, int stride, int columns, float* v, int size, float* o)
    {
        for (var d = 0; d < size; d += 8)
        {
            // Two columns at a time, so that the sums do not wait for each other.
            Vector256<float> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
            var row = v + d;
            for (var j = 0; j < columns; j += 2, row += 2 * size)
            {
                var (even, odd) = (Vector256.Load(row), Vector256.Load(row + size));
                a0 = Vector256.FusedMultiplyAdd(Vector256.Create(p[j]), even, a0);
                b0 = Vector256.FusedMultiplyAdd(Vector256.Create(p[j + 1]), odd, b0);
                a1 = Vector256.FusedMultiplyAdd(Vector256.Create(p[stride + j]), even, a1);
                b1 = Vector256.FusedMultiplyAdd(Vector256.Create(p[stride + j + 1]), odd, b1);
                a2 = Vector256.FusedMultiplyAdd(Vector256.Create(p[2 * stride + j]), even, a2);
                b2 = Vector256.FusedMultiplyAdd(Vector256.Create(p[2 * stride + j + 1]), odd, b2);
                a3 = Vector256.FusedMultiplyAdd(Vector256.Create(p[3 * stride + j]), even, a3);
                b3 = Vector256.FusedMultiplyAdd(Vector256.Create(p[3 * stride + j + 1]), odd, b3);
            }
            (a0 + b0).Store(o + d);
            (a1 + b1).Store(o + size + d);
            (a2 + b2).Store(o + 2 * size + d);
            (a3 + b3).Store(o + 3 * size + d);
        }
    }

    /// <summary>g[j, d] += Σ_r p[r, j]·a[r, d], over four rows, for a size that 8 divides.</summary>
    /// <param name="p">[4, stride]</param>
    /// <param name="stride">Distance of the rows of p.</param>
    /// <param name="columns">Rows of g to add to.</param>
    /// <param name="a">[4, size]</param>
    /// <param name="size">Columns of g.</param>
    /// <param name="g">[columns, size]</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scatter(float* p, int stride, int columns, float* a, int size, float* g)
    {
        for (var d = 0; d < size; d += 8)
        {
            var (a0, a1, a2, a3) = (Vector256.Load(a + d), Vector256.Load(a + size + d), Vector256.Load(a + 2 * size + d), Vector256.Load(a + 3 * size + d));
            var row = g + d;
            for (var j = 0; j < columns; j++, row += size)
            {
                var sum = Vector256.FusedMultiplyAdd(Vector256.Create(p[j]), a0, Vector256.Load(row));
                sum = Vector256.FusedMultiplyAdd(Vector256.Create(p[stride + j]), a1, sum);
                sum = Vector256.FusedMultiplyAdd(Vector256.Create(p[2 * stride + j]), a2, sum);
                sum = Vector256.FusedMultiplyAdd(Vector256.Create(p[3 * stride + j]), a3, sum);
                sum.Store(row);
            }
        }
    }
}
