using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary><see cref="TileProducts"/> with vectors of sixteen values: AVX-512.</summary>
internal static unsafe class TileProducts16
{
    private const int Lanes = 16;

    /// <inheritdoc cref="TileProducts.Run"/>
    /// <returns>The number of columns that are computed, a multiple of 16.</returns>
    public static int Run(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, nint depth, int columns, bool add)
    {
        var column = 0;
        while (columns - column is >= Lanes and var left)
        {
            // The wider a tile, the fewer values it loads for each multiplication; twice 32 is wider than 48 and 16.
            var wide = left switch { 64 or < 48 and >= 32 => 32, >= 48 => 48, _ => Lanes };
            float* right = b + column, to = c + column;
            var row = wide switch
            {
                48 => ByFortyEight(a, aRow, aStep, right, bRow, to, cRow, rows, depth, add),
                32 => ByThirtyTwo(a, aRow, aStep, right, bRow, to, cRow, rows, depth, add),
                _ => BySixteen(a, aRow, aStep, right, bRow, to, cRow, rows, depth, add),
            };
            for (; row < rows; row++)
                for (var i = 0; i < wide; i += 8) TileProducts8.One(a + row * aRow, aStep, right + i, bRow, to + row * cRow + i, depth, add);
            column += wide;
        }
        return column;
    }

    private static int ByFortyEight(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, nint depth, bool add)
    {
        var row = 0;
        for (; row + MatrixTile16.Rows <= rows; row += MatrixTile16.Rows) MatrixTile16.Run(a + row * aRow, aRow, aStep, b, bRow, add ? c + row * cRow : null, add ? cRow : 0, c + row * cRow, cRow, depth);
        return row;
    }

    [MethodImpl(JitOptions.Loop)]
    private static int ByThirtyTwo(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, nint depth, bool add)
    {
        var row = 0;
        for (; row + 8 <= rows; row += 8, a += 8 * aRow, c += 8 * cRow)
        {
            Vector512<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default;
            Vector512<float> s40 = default, s41 = default, s50 = default, s51 = default, s60 = default, s61 = default, s70 = default, s71 = default;
            float* a0 = a, a1 = a0 + 3 * aRow, a2 = a1 + 3 * aRow, at = b;
            for (nint k = 0; k < depth; k++, at += bRow, a0 += aStep, a1 += aStep, a2 += aStep)
            {
                Vector512<float> left = Vector512.Load(at), right = Vector512.Load(at + Lanes);
                var x = Vector512.Create(a0[0]);
                s00 = Vector512.FusedMultiplyAdd(x, left, s00);
                s01 = Vector512.FusedMultiplyAdd(x, right, s01);
                x = Vector512.Create(a0[aRow]);
                s10 = Vector512.FusedMultiplyAdd(x, left, s10);
                s11 = Vector512.FusedMultiplyAdd(x, right, s11);
                x = Vector512.Create(a0[2 * aRow]);
                s20 = Vector512.FusedMultiplyAdd(x, left, s20);
                s21 = Vector512.FusedMultiplyAdd(x, right, s21);
                x = Vector512.Create(a1[0]);
                s30 = Vector512.FusedMultiplyAdd(x, left, s30);
                s31 = Vector512.FusedMultiplyAdd(x, right, s31);
                x = Vector512.Create(a1[aRow]);
                s40 = Vector512.FusedMultiplyAdd(x, left, s40);
                s41 = Vector512.FusedMultiplyAdd(x, right, s41);
                x = Vector512.Create(a1[2 * aRow]);
                s50 = Vector512.FusedMultiplyAdd(x, left, s50);
                s51 = Vector512.FusedMultiplyAdd(x, right, s51);
                x = Vector512.Create(a2[0]);
                s60 = Vector512.FusedMultiplyAdd(x, left, s60);
                s61 = Vector512.FusedMultiplyAdd(x, right, s61);
                x = Vector512.Create(a2[aRow]);
                s70 = Vector512.FusedMultiplyAdd(x, left, s70);
                s71 = Vector512.FusedMultiplyAdd(x, right, s71);
            }
            var to = c;
            Store(s00, s01, to, add);
            Store(s10, s11, to += cRow, add);
            Store(s20, s21, to += cRow, add);
            Store(s30, s31, to += cRow, add);
            Store(s40, s41, to += cRow, add);
            Store(s50, s51, to += cRow, add);
            Store(s60, s61, to += cRow, add);
            Store(s70, s71, to + cRow, add);
        }
        return row;
    }

    // Eight independent sums hide the latency.
    [MethodImpl(JitOptions.Loop)]
    private static int BySixteen(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, nint depth, bool add)
    {
        var row = 0;
        for (; row + 8 <= rows; row += 8, a += 8 * aRow, c += 8 * cRow)
        {
            Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default;
            float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, at = b;
            var below = 4 * aRow;
            for (nint k = 0, step = 0; k < depth; k++, step += aStep, at += bRow)
            {
                var line = Vector512.Load(at);
                s0 = Vector512.FusedMultiplyAdd(Vector512.Create(a[step]), line, s0);
                s1 = Vector512.FusedMultiplyAdd(Vector512.Create(a1[step]), line, s1);
                s2 = Vector512.FusedMultiplyAdd(Vector512.Create(a2[step]), line, s2);
                s3 = Vector512.FusedMultiplyAdd(Vector512.Create(a3[step]), line, s3);
                s4 = Vector512.FusedMultiplyAdd(Vector512.Create(a[below + step]), line, s4);
                s5 = Vector512.FusedMultiplyAdd(Vector512.Create(a1[below + step]), line, s5);
                s6 = Vector512.FusedMultiplyAdd(Vector512.Create(a2[below + step]), line, s6);
                s7 = Vector512.FusedMultiplyAdd(Vector512.Create(a3[below + step]), line, s7);
            }
            Store(s0, c, add);
            Store(s1, c + cRow, add);
            Store(s2, c + 2 * cRow, add);
            Store(s3, c + 3 * cRow, add);
            Store(s4, c + 4 * cRow, add);
            Store(s5, c + 5 * cRow, add);
            Store(s6, c + 6 * cRow, add);
            Store(s7, c + 7 * cRow, add);
        }
        return row;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<float> left, Vector512<float> right, float* c, bool add)
    {
        Store(left, c, add);
        Store(right, c + Lanes, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<float> sum, float* c, bool add) => (add ? sum + Vector512.Load(c) : sum).Store(c);
}
