using System.Runtime.CompilerServices;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Values of <see cref="GroupedMatrix"/>: (q − zero)·scale.</summary>
/// <param name="codes">The integers.</param>
/// <param name="rowBytes">Bytes of a row of them.</param>
/// <param name="grids">Scales and zeros.</param>
/// <param name="columns">Length of a row.</param>
internal sealed unsafe class GroupedReader<TCodes>(byte* codes, nint rowBytes, GroupGrids grids, int columns) : ValueReader where TCodes : ICodes
{
    private const int Width = 16;

    [MethodImpl(JitOptions.Loop)]
    public override void Read<T>(long row, int column, int count, float* to)
    {
        var at = codes + (nint)row * rowBytes;
        if (!grids.AreInOrder)
        {
            ReadInAnyOrder<T>(at, row, column, count, to);
            return;
        }
        to -= column;
        for (int i = column, end = column + count; i < end;)
        {
            var group = i / grids.Size;
            var stop = Math.Min(end, (group + 1) * grids.Size);
            var (scale, shift) = (grids.Scale(row, group), grids.Shift(row, group));
            for (; i < stop && i % Width != 0; i++) to[i] = (One(at, i) + shift) * scale;
            for (var (factor, offset) = (T.Of(scale), T.Of(shift)); i + Width <= stop; i += Width) T.Multiply(T.Add(T.Of(TCodes.Sixteen(at, i)), offset), factor).Store(to + i);
            for (; i < stop; i++) to[i] = (One(at, i) + shift) * scale;
        }
    }

    private void ReadInAnyOrder<T>(byte* at, long row, int column, int count, float* to) where T : unmanaged, ISixteen<T>
    {
        float* scales = stackalloc float[Width], shifts = stackalloc float[Width];
        to -= column;
        for (int i = column, end = column + count; i < end; i += Width)
        {
            var width = Math.Min(Width, end - i);
            for (var k = 0; k < width; k++)
            {
                var group = grids.Of(i + k);
                (scales[k], shifts[k]) = (grids.Scale(row, group), grids.Shift(row, group));
            }
            if (width == Width) T.Multiply(T.Add(T.Of(TCodes.Sixteen(at, i)), T.Load(shifts)), T.Load(scales)).Store(to + i);
            else
                for (var k = 0; k < width; k++) to[i + k] = (One(at, i + k) + shifts[k]) * scales[k];
        }
    }

    public override bool Multiplies => grids.AreInOrder && grids.Size % Width == 0 && columns % Width == 0;

    // A row at a time: processors fetch a single stream from memory faster than several. Two sums hide the latency of the additions.
    [MethodImpl(JitOptions.Loop)]
    public override void Multiply<T>(long first, int count, float* x, float* y)
    {
        var at = codes + (nint)first * rowBytes;
        for (var row = first; row < first + count; row++, at += rowBytes)
        {
            T total = default;
            for (int i = 0, group = 0; i < columns; group++)
            {
                T even = default, odd = default;
                var shift = T.Of(grids.Shift(row, group));
                var stop = Math.Min(columns, i + grids.Size);
                for (; i + 2 * Width <= stop; i += 2 * Width)
                {
                    even = T.MultiplyAdd(T.Add(T.Of(TCodes.Sixteen(at, i)), shift), T.Load(x + i), even);
                    odd = T.MultiplyAdd(T.Add(T.Of(TCodes.Sixteen(at, i + Width)), shift), T.Load(x + i + Width), odd);
                }
                for (; i < stop; i += Width) even = T.MultiplyAdd(T.Add(T.Of(TCodes.Sixteen(at, i)), shift), T.Load(x + i), even);
                total = T.MultiplyAdd(T.Add(even, odd), T.Of(grids.Scale(row, group)), total);
            }
            y[row - first] = T.Sum(total);
        }
    }

    // A single integer, which may lie in two bytes.
    private static float One(byte* row, nint index)
    {
        var (at, shift) = Math.DivRem(index * TCodes.Bits, 8);
        var bits = shift + TCodes.Bits > 8 ? row[at] | row[at + 1] << 8 : row[at];
        return (bits >> (int)shift) & ((1 << TCodes.Bits) - 1);
    }
}
