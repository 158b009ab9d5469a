using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Peft.Kernels;

/// <summary>float32 products of matrices that are too small for BLAS to be efficient.</summary>
internal static unsafe class TileProducts
{
    /// <summary>Computes C = A·B, or C + A·B, for a number of columns that is a multiple of 8.</summary>
    /// <param name="a">A [rows, depth].</param>
    /// <param name="aRow">Row stride of A.</param>
    /// <param name="aStep">Stride between the elements of a row of A.</param>
    /// <param name="b">B [depth, columns].</param>
    /// <param name="bRow">Row stride of B.</param>
    /// <param name="c">C [rows, columns].</param>
    /// <param name="cRow">Row stride of C.</param>
    /// <param name="rows">Number of rows of A and C.</param>
    /// <param name="depth">Number of columns of A and of rows of B.</param>
    /// <param name="columns">Number of columns of B and C.</param>
    /// <param name="add">True to add to C.</param>
    public static void Run(float* a, int aRow, int aStep, float* b, int bRow, float* c, int cRow, int rows, int depth, int columns, bool add = false)
    {
        var column = 0;
        if (Vector512.IsHardwareAccelerated) column = TileProducts16.Run(a, aRow, aStep, b, bRow, c, cRow, rows, depth, columns, add);
        else for (; column + 16 <= columns; column += 16) Sixteen(a, aRow, aStep, b + column, bRow, c + column, cRow, rows, depth, add);
        if (column < columns) TileProducts8.Run(a, aRow, aStep, b + column, bRow, c + column, cRow, rows, depth, add);
    }

    private static void Sixteen(float* a, nint aRow, nint aStep, float* b, nint bRow, float* c, nint cRow, int rows, nint depth, bool add)
    {
        // As many tiles of six rows as leave a multiple of four.
        var (sixes, done) = (rows / MatrixTile8.Rows, 0);
        while (sixes > 0 && (rows - sixes * MatrixTile8.Rows) % FourRowTile8.Rows != 0) sixes--;
        TileLoop.Run<MatrixTile8>(a, aRow, aStep, b, bRow, add ? c : null, cRow, c, cRow, depth, sixes);
        Move(sixes * MatrixTile8.Rows);
        var fours = (rows - done) / FourRowTile8.Rows;
        TileLoop.Run<FourRowTile8>(a, aRow, aStep, b, bRow, add ? c : null, cRow, c, cRow, depth, fours);
        Move(fours * FourRowTile8.Rows);
        for (; done < rows; Move(1))
        {
            TileProducts8.One(a, aStep, b, bRow, c, depth, add);
            TileProducts8.One(a, aStep, b + 8, bRow, c + 8, depth, add);
        }

        void Move(int count)
        {
            done += count;
            a += count * aRow;
            c += count * cRow;
        }
    }

    /// <summary>Transposes a matrix [rows, columns], both multiples of 8.</summary>
    public static void Transpose(float* from, int rows, int columns, float* to)
    {
        for (var c = 0; c < columns; c += 8)
            for (var r = 0; r < rows; r += 8) TransposeBlock(from + r * columns + c, columns, to + c * rows + r, rows);
    }

    /// <summary>Transposes an 8 × 8 block.</summary>
    /// <param name="at">The first element of the block.</param>
    /// <param name="columns">Row stride of the block.</param>
    /// <param name="to">The first element of the transpose.</param>
    /// <param name="rows">Row stride of the transpose.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void TransposeBlock(float* at, nint columns, float* to, nint rows)
    {
        if (!Avx.IsSupported)
        {
            for (var r = 0; r < 8; r++)
                for (var c = 0; c < 8; c++) to[c * rows + r] = at[r * columns + c];
            return;
        }
        // Interleaves pairs of rows, then pairs of pairs, then the halves of the vectors.
        Vector256<float> r0 = Vector256.Load(at), r1 = Vector256.Load(at + columns), r2 = Vector256.Load(at + 2 * columns), r3 = Vector256.Load(at + 3 * columns);
        at += 4 * columns;
        Vector256<float> r4 = Vector256.Load(at), r5 = Vector256.Load(at + columns), r6 = Vector256.Load(at + 2 * columns), r7 = Vector256.Load(at + 3 * columns);
        Vector256<float> p0 = Avx.UnpackLow(r0, r1), p1 = Avx.UnpackHigh(r0, r1), p2 = Avx.UnpackLow(r2, r3), p3 = Avx.UnpackHigh(r2, r3);
        Vector256<float> p4 = Avx.UnpackLow(r4, r5), p5 = Avx.UnpackHigh(r4, r5), p6 = Avx.UnpackLow(r6, r7), p7 = Avx.UnpackHigh(r6, r7);
        r0 = Avx.Shuffle(p0, p2, 0x44);
        r1 = Avx.Shuffle(p0, p2, 0xEE);
        r2 = Avx.Shuffle(p1, p3, 0x44);
        r3 = Avx.Shuffle(p1, p3, 0xEE);
        r4 = Avx.Shuffle(p4, p6, 0x44);
        r5 = Avx.Shuffle(p4, p6, 0xEE);
        r6 = Avx.Shuffle(p5, p7, 0x44);
        r7 = Avx.Shuffle(p5, p7, 0xEE);
        Avx.Permute2x128(r0, r4, 0x20).Store(to);
        Avx.Permute2x128(r1, r5, 0x20).Store(to + rows);
        Avx.Permute2x128(r2, r6, 0x20).Store(to + 2 * rows);
        Avx.Permute2x128(r3, r7, 0x20).Store(to + 3 * rows);
        to += 4 * rows;
        Avx.Permute2x128(r0, r4, 0x31).Store(to);
        Avx.Permute2x128(r1, r5, 0x31).Store(to + rows);
        Avx.Permute2x128(r2, r6, 0x31).Store(to + 2 * rows);
        Avx.Permute2x128(r3, r7, 0x31).Store(to + 3 * rows);
    }
}
