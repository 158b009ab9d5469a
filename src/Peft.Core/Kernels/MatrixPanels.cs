using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>The panels of <see cref="MatrixProduct"/>: <c>[depth, width]</c> each, contiguous, the last one filled up with zeros.</summary>
internal static unsafe class MatrixPanels
{
    /// <summary>Copies a block of B <c>[depth, columns]</c>.</summary>
    /// <param name="b">The block.</param>
    /// <param name="bRow">Row stride of B; 1 unless <paramref name="bStep"/> is.</param>
    /// <param name="bStep">Stride between the elements of a row of B.</param>
    /// <param name="depth">Number of rows.</param>
    /// <param name="columns">Number of columns.</param>
    /// <param name="wide">Width of a panel, a multiple of 8.</param>
    /// <param name="to">Takes the panels.</param>
    public static void Copy(float* b, nint bRow, nint bStep, int depth, int columns, int wide, float* to)
    {
        var whole = columns / wide * wide;
        if (whole < columns) new Span<float>(to + (nint)depth * whole, depth * wide).Clear();
        if (bStep == 1) CopyRows(b, bRow, depth, columns, wide, to);
        else
            for (var n = 0; n < columns; n += wide) CopyColumns(b + n * bStep, bStep, depth, Math.Min(wide, columns - n), wide, to + (nint)depth * n);
    }

    /// <summary>Fetches one of several parts of a block that is copied later, while the processor computes with the one before. The block may be empty.</summary>
    /// <param name="b">The block.</param>
    /// <param name="bRow">Row stride of B.</param>
    /// <param name="bStep">Stride between the elements of a row of B.</param>
    /// <param name="depth">Number of rows.</param>
    /// <param name="columns">Number of columns.</param>
    /// <param name="part">Index of the part.</param>
    /// <param name="parts">Number of parts.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Fetch(float* b, nint bRow, nint bStep, int depth, int columns, int part, int parts)
    {
        var (lines, length, distance) = bStep == 1 ? (depth, columns, bRow) : (columns, depth, bStep);
        var end = (int)((part + 1L) * lines / parts);
        for (var line = (int)((long)part * lines / parts); line < end; line++)
        {
            var at = b + line * distance;
            for (var i = 0; i < length; i += 16) Prefetch.Far(at + i);
        }
    }

    // All panels of a row at a time: rows of B are far from each other.
    [MethodImpl(JitOptions.Loop)]
    private static void CopyRows(float* b, nint bRow, int depth, int columns, int wide, float* to)
    {
        for (var k = 0; k < depth; k++, b += bRow, to += wide)
        {
            var at = to;
            for (var n = 0; n < columns; n += wide, at += (nint)depth * wide)
            {
                float* from = b + n, next = from + 4 * bRow;
                var (count, i) = (Math.Min(wide, columns - n), 0);
                for (; i + 16 <= count; i += 16)
                {
                    Prefetch.Near(next + i);
                    Vector256.Load(from + i).Store(at + i);
                    Vector256.Load(from + i + 8).Store(at + i + 8);
                }
                for (; i < count; i++) at[i] = from[i];
            }
        }
    }

    [MethodImpl(JitOptions.Loop)]
    private static void CopyColumns(float* b, nint bStep, int depth, int columns, int wide, float* to)
    {
        var n = 0;
        for (; n + 8 <= columns; n += 8, b += 8 * bStep)
        {
            nint k = 0;
            for (; k + 8 <= depth; k += 8) TileProducts.TransposeBlock(b + k, bStep, to + k * wide + n, wide);
            for (; k < depth; k++)
                for (var i = 0; i < 8; i++) to[k * wide + n + i] = b[i * bStep + k];
        }
        for (; n < columns; n++, b += bStep)
            for (nint k = 0; k < depth; k++) to[k * wide + n] = b[k];
    }

    /// <summary>Copies some columns of a matrix <c>[depth, …]</c> as rows.</summary>
    /// <param name="a">The first column.</param>
    /// <param name="aRow">Row stride of the matrix.</param>
    /// <param name="columns">Number of columns.</param>
    /// <param name="depth">Number of rows.</param>
    /// <param name="to">Takes the columns, <c>[columns, depth]</c>.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Transpose(float* a, nint aRow, int columns, int depth, float* to)
    {
        for (; columns > 0; columns -= 8, a += 8, to += 8 * (nint)depth)
        {
            nint k = 0;
            if (columns >= 8)
                for (; k + 8 <= depth; k += 8) TileProducts.TransposeBlock(a + k * aRow, aRow, to + k, depth);
            for (; k < depth; k++)
                for (var i = 0; i < Math.Min(8, columns); i++) to[i * (nint)depth + k] = a[k * aRow + i];
        }
    }
}
