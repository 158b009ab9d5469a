using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Values of <see cref="Float8Matrix"/>: a code a byte, in tiles.</summary>
/// <param name="codes">The codes.</param>
/// <param name="scales">The scale of each tile.</param>
/// <param name="tileRows">Rows of a tile.</param>
/// <param name="tileColumns">Columns of a tile.</param>
/// <param name="columns">Length of a row.</param>
internal sealed unsafe class Float8Reader<TFormat>(byte* codes, float* scales, long tileRows, long tileColumns, long columns) : ValueReader where TFormat : IFloat8
{
    private const int Width = 16;
    private const int Ahead = 1024;   // bytes between what is read and what is fetched

    private readonly nint across = (nint)((columns + tileColumns - 1) / tileColumns);

    [MethodImpl(JitOptions.Loop)]
    public override void Read<T>(long row, int column, int count, float* to)
    {
        var from = codes + row * columns;
        var own = scales + row / tileRows * across;
        var last = stackalloc byte[Width];
        var values = stackalloc float[Width];
        to -= column;
        for (long at = column, end = column + count; at < end;)
        {
            var tile = at / tileColumns;
            var stop = Math.Min(end, (tile + 1) * tileColumns);
            var scale = T.Of(own[tile]);
            for (; at + Width <= stop; at += Width) T.Multiply(T.OfFloat8<TFormat>(Vector128.Load(from + at)), scale).Store(to + at);
            if (at == stop) continue;
            var left = (int)(stop - at);
            new ReadOnlySpan<byte>(from + at, left).CopyTo(new(last, Width));
            T.Multiply(T.OfFloat8<TFormat>(Vector128.Load(last)), scale).Store(values);
            new ReadOnlySpan<float>(values, left).CopyTo(new(to + at, left));
            at = stop;
        }
    }

    public override bool Multiplies => columns % Width == 0 && (tileColumns % Width == 0 || tileColumns >= columns);

    // A row at a time: processors fetch a single stream from memory faster than several. Two sums hide the latency of the additions.
    [MethodImpl(JitOptions.Loop)]
    public override void Multiply<T>(long first, int count, float* x, float* y)
    {
        nint length = (nint)columns, wide = (nint)Math.Min(tileColumns, columns);
        var at = codes + (nint)first * length;
        for (var row = first; row < first + count; row++, at += length)
        {
            T total = default;
            var scale = scales + (nint)(row / tileRows) * across;
            for (nint k = 0; k < length; scale++)
            {
                T even = default, odd = default;
                var stop = Math.Min(length, k + wide);
                for (; k + 2 * Width <= stop; k += 2 * Width)
                {
                    Prefetch.Near(at + k + Ahead);
                    even = T.MultiplyAdd(T.OfFloat8<TFormat>(Vector128.Load(at + k)), T.Load(x + k), even);
                    odd = T.MultiplyAdd(T.OfFloat8<TFormat>(Vector128.Load(at + k + Width)), T.Load(x + k + Width), odd);
                }
                if (k < stop)
                {
                    even = T.MultiplyAdd(T.OfFloat8<TFormat>(Vector128.Load(at + k)), T.Load(x + k), even);
                    k = stop;
                }
                total = T.MultiplyAdd(T.Add(even, odd), T.Of(*scale), total);
            }
            y[row - first] = T.Sum(total);
        }
    }
}
