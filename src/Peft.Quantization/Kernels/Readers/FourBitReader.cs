using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
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
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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
}
