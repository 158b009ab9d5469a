using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization.Kernels;

/// <summary>Values of <see cref="FourBitMatrix"/>: two codes a byte, the first in the high bits, in blocks that run over the ends of rows.</summary>
/// <param name="codes">The codes.</param>
/// <param name="table">The 16 values.</param>
/// <param name="scales">The scale of each block.</param>
/// <param name="blockSize">Values per scale: a power of two.</param>
/// <param name="columns">Length of a row.</param>
/// <param name="type">The dtype to which values are rounded.</param>
internal sealed unsafe class FourBitReader(byte* codes, float* table, BlockScales scales, int blockSize, long columns, ScalarType type) : ValueReader
{
    private const int Group = 32;   // values whose codes are read at once
    private const int Ahead = 1024; // bytes between what is read and what is fetched, of codes and of scales: hardware fetches too late after the beginning of a range

    [MethodImpl(JitOptions.Loop)]
    public override void Read<T>(long row, int column, int count, float* to)
    {
        var (lookup, shift, start) = (T.Table(table), int.Log2(blockSize), (nint)to);
        var at = (nint)(row * columns + column);
        var end = at + count;
        while (at < end)
        {
            var block = at >> shift;
            var scale = scales.Of(block);
            var (factor, stop) = (T.Of(scale), Math.Min(end, (block + 1) << shift));
            if ((at & 1) != 0) *to++ = table[codes[at++ >> 1] & 15] * scale;
            for (; at + 32 <= stop; at += 32, to += 32)
            {
                var bytes = Vector128.Load(codes + (at >> 1));
                Vector128<byte> high = bytes >>> 4, low = bytes & Vector128.Create((byte)15);
                T.Multiply(T.Lookup(lookup, Interleaving.Low(high, low)), factor).Store(to);
                T.Multiply(T.Lookup(lookup, Interleaving.High(high, low)), factor).Store(to + 16);
            }
            for (; at < stop; at++) *to++ = table[(at & 1) == 0 ? codes[at >> 1] >> 4 : codes[at >> 1] & 15] * scale;
        }
        HalfRounding.Round((float*)start, count, type);
    }

    // Rows are whole blocks, and values are not rounded to 16 bits.
    public override bool Multiplies => columns % blockSize == 0 && blockSize % Group == 0 && type == ScalarType.Float32;

    // A row at a time: processors fetch a single stream from memory faster than several. Even and odd values have a sum each, which hides the latency of the additions.
    [MethodImpl(JitOptions.Loop)]
    public override void Multiply<T>(long first, int count, float* x, float* y)
    {
        using var scratch = new Scratch((int)columns);
        // The high bits of 16 bytes are the values at even indices of 32, the low bits those at odd ones.
        x = Interleaving.Undo(x, (int)columns, scratch.Take((int)columns));
        var lookup = T.Table(table);
        var blocks = (nint)(columns / blockSize);
        var block = (nint)first * blocks;
        var at = codes + block * blockSize / 2;
        for (var row = 0; row < count; row++)
        {
            T sum = default;
            var input = x;
            for (var end = block + blocks; block < end; block++)
            {
                T even = default, odd = default;
                scales.Fetch(block + Ahead / sizeof(float));
                var stop = input + blockSize;
                for (; input < stop; input += Group, at += Group / 2)
                {
                    Prefetch.Near(at + Ahead);
                    even = T.MultiplyAdd(T.LookupPairs(lookup, lookup, Vector128.Load(at), out var low), T.Load(input), even);
                    odd = T.MultiplyAdd(low, T.Load(input + Group / 2), odd);
                }
                sum = T.MultiplyAdd(T.Add(even, odd), T.Of(scales.Of(block)), sum);
            }
            y[row] = T.Sum(sum);
        }
    }
}
