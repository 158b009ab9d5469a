using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
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
    private const int Range = 64;     // groups whose scales are converted at once
    private const int Ahead = 1024;   // bytes between what is read and what is fetched

    [MethodImpl(JitOptions.Loop)]
    public override void Read<T>(long row, int column, int count, float* to)
    {
        var at = codes + (nint)row * rowBytes;
        if (!grids.AreInOrder)
        {
            ReadInAnyOrder<T>(at, row, column, count, to);
            return;
        }
        float* scales = stackalloc float[Range], shifts = stackalloc float[Range];
        to -= column;
        for (int i = column, end = column + count; i < end;)
        {
            var first = i / grids.Size;
            var groups = Math.Min(Range, (end - 1) / grids.Size - first + 1);
            grids.Read(row, first, groups, scales, shifts);
            for (var group = 0; group < groups; group++)
            {
                var stop = Math.Min(end, (first + group + 1) * grids.Size);
                var (scale, shift) = (scales[group], shifts[group]);
                for (; i < stop && i % Width != 0; i++) to[i] = (One(at, i) + shift) * scale;
                for (var (factor, offset) = (T.Of(scale), T.Of(shift)); i + Width <= stop; i += Width) T.Multiply(T.Add(T.Of(TCodes.Sixteen(at, i)), offset), factor).Store(to + i);
                for (; i < stop; i++) to[i] = (One(at, i) + shift) * scale;
            }
        }
    }

    private void ReadInAnyOrder<T>(byte* at, long row, int column, int count, float* to) where T : unmanaged, ISixteen<T>
    {
        using var scratch = new Scratch(2 * (grids.Count + Width));
        float* scales = scratch.Take(Width), shifts = scratch.Take(Width), allShifts = scratch.Take(grids.Count), allScales = scratch.Take(grids.Count);
        grids.Read(row, 0, grids.Count, allScales, allShifts);
        to -= column;
        for (int i = column, end = column + count; i < end; i += Width)
        {
            var width = Math.Min(Width, end - i);
            for (var k = 0; k < width; k++)
            {
                var group = grids.Of(i + k);
                (scales[k], shifts[k]) = (allScales[group], allShifts[group]);
            }
            if (width == Width) T.Multiply(T.Add(T.Of(TCodes.Sixteen(at, i)), T.Load(shifts)), T.Load(scales)).Store(to + i);
            else
                for (var k = 0; k < width; k++) to[i + k] = (One(at, i + k) + shifts[k]) * scales[k];
        }
    }

    public override bool Multiplies => grids.AreInOrder && grids.Size % Width == 0 && columns % Width == 0;

    // A row at a time: processors fetch a single stream from memory faster than several.
    [MethodImpl(JitOptions.Loop)]
    public override void Multiply<T>(long first, int count, float* x, float* y)
    {
        float* scales = stackalloc float[Range], shifts = stackalloc float[Range];
        int groups = grids.Count, size = grids.Size, inputs = columns;
        var byPairs = T.IsOneVector && TCodes.ArePairs && size % (2 * Width) == 0 && inputs % (2 * Width) == 0;
        using var scratch = new Scratch(byPairs ? inputs : 0);
        if (byPairs) x = Interleaving.Undo(x, inputs, scratch.Take(inputs));
        for (var row = first; row < first + count; row++)
        {
            var sum = 0f;
            for (var group = 0; group < groups; group += Range)
            {
                var some = Math.Min(Range, groups - group);
                grids.Read(row, group, some, scales, shifts);
                var at = codes + (nint)row * rowBytes;
                var (i, end) = (group * size, Math.Min(inputs, (group + some) * size));
                sum += byPairs ? ProductOfPairs<T>(at, i, end, size, scales, shifts, x) : Product<T>(at, i, end, size, scales, shifts, x);
            }
            *y++ = sum;
        }
    }

    // Some groups of a row. In the caller, the sums would be in memory, since it calls methods. Two sums hide the latency of the additions.
    [MethodImpl(JitOptions.Loop)]
    private static float Product<T>(byte* at, int first, int end, int size, float* scales, float* shifts, float* x) where T : unmanaged, ISixteen<T>
    {
        T total = default;
        for (var i = first; i < end; scales++, shifts++)
        {
            T even = default, odd = default;
            var shift = T.Of(*shifts);
            var stop = Math.Min(end, i + size);
            for (; i + 2 * Width <= stop; i += 2 * Width)
            {
                Prefetch.Near(at + i * TCodes.Bits / 8 + Ahead);
                even = T.MultiplyAdd(T.Add(T.Of(TCodes.Sixteen(at, i)), shift), T.Load(x + i), even);
                odd = T.MultiplyAdd(T.Add(T.Of(TCodes.Sixteen(at, i + Width)), shift), T.Load(x + i + Width), odd);
            }
            for (; i < stop; i += Width) even = T.MultiplyAdd(T.Add(T.Of(TCodes.Sixteen(at, i)), shift), T.Load(x + i), even);
            total = T.MultiplyAdd(T.Add(even, odd), T.Of(*scales), total);
        }
        return T.Sum(total);
    }

    // The same by lookups, with inputs in the order of pairs.
    [MethodImpl(JitOptions.Loop)]
    private static float ProductOfPairs<T>(byte* at, int first, int end, int size, float* scales, float* shifts, float* x) where T : unmanaged, ISixteen<T>
    {
        var numbers = T.Of(Vector128<byte>.Indices);
        at += first / 2;
        x += first;
        T total = default;
        for (var last = x + (end - first); x < last; scales++, shifts++)
        {
            T even = default, odd = default;
            var table = T.Add(numbers, T.Of(*shifts));
            for (var stop = x + Math.Min(size, last - x); x < stop; x += 2 * Width, at += Width)
            {
                Prefetch.Near(at + Ahead);
                odd = T.MultiplyAdd(T.LookupPairs(table, table, Vector128.Load(at), out var low), T.Load(x + Width), odd);
                even = T.MultiplyAdd(low, T.Load(x), even);
            }
            total = T.MultiplyAdd(T.Add(even, odd), T.Of(*scales), total);
        }
        return T.Sum(total);
    }

    // A single integer, which may lie in two bytes.
    private static float One(byte* row, nint index)
    {
        var (at, shift) = Math.DivRem(index * TCodes.Bits, 8);
        var bits = shift + TCodes.Bits > 8 ? row[at] | row[at + 1] << 8 : row[at];
        return (bits >> (int)shift) & ((1 << TCodes.Bits) - 1);
    }
}
