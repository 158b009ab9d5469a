using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization.Kernels;

/// <summary>Quantizes to NF4 or FP4 on the CPU: the same bits as by operations of torch, in one pass over the values.</summary>
internal static unsafe class FourBitEncoder
{
    private const int Group = 32;   // values at a time: blocks are multiples of it

    /// <summary>Quantizes values, which are contiguous and in float32.</summary>
    /// <param name="values">The values.</param>
    /// <param name="code">The code.</param>
    /// <param name="blockSize">Values per scale.</param>
    /// <param name="scales">Takes the scale of each block, in float32.</param>
    /// <param name="codes">Takes the codes, two a byte.</param>
    public static void Run(Tensor values, FourBitCode code, int blockSize, Tensor scales, Tensor codes)
    {
        var (from, to, scale, count, blocks) = (TensorAddress.Of(values), TensorAddress.Of(codes), TensorAddress.Of(scales), values.numel(), (int)scales.numel());
        TensorMemory.InShares(blocks, (_, first, number) =>
        {
            for (long block = first; block < first + number; block++)
            {
                var start = block * blockSize;
                ((float*)scale)[block] = Encode((float*)from + start, (int)Math.Min(blockSize, count - start), code, (byte*)to + start / 2);
            }
        });
        GC.KeepAlive((values, scales, codes));
    }

    private static float Encode(float* values, int count, FourBitCode code, byte* to)
    {
        var largest = LargestMagnitude.Of(values, count);
        var factor = largest == 0 ? 0 : 1 / largest;   // as bitsandbytes: times the reciprocal
        fixed (float* middles = code.Middles)
        {
            var ranks = Vector128.Create(code.Order);
            var i = 0;
            for (; i + Group <= count; i += Group) Encode(values + i, factor, middles, ranks).Store(to + i / 2);
            if (i == count) return largest;
            var last = stackalloc float[Group];
            new Span<float>(last, Group).Clear();
            new ReadOnlySpan<float>(values + i, count - i).CopyTo(new Span<float>(last, Group));
            var bytes = Encode(last, factor, middles, ranks);
            for (var k = 0; k < (count - i + 1) / 2; k++) to[i / 2 + k] = bytes[k];
            if (count % 2 != 0) to[count / 2] &= 0xF0;
        }
        return largest;
    }

    // The rank of a value is the number of midpoints below it.
    [MethodImpl(JitOptions.Loop)]
    private static Vector128<byte> Encode(float* values, float factor, float* middles, Vector128<byte> order)
    {
        Vector256<float> a = Scaled(values, factor), b = Scaled(values + 8, factor), c = Scaled(values + 16, factor), d = Scaled(values + 24, factor);
        Vector256<int> ranksA = default, ranksB = default, ranksC = default, ranksD = default;
        for (var i = 0; i < FourBitCode.Count - 1; i++)
        {
            var middle = Vector256.Create(middles[i]);
            ranksA -= Vector256.GreaterThan(a, middle).AsInt32();
            ranksB -= Vector256.GreaterThan(b, middle).AsInt32();
            ranksC -= Vector256.GreaterThan(c, middle).AsInt32();
            ranksD -= Vector256.GreaterThan(d, middle).AsInt32();
        }
        var ranks = Vector256.Narrow(Vector256.Narrow(ranksA, ranksB), Vector256.Narrow(ranksC, ranksD)).AsByte();
        return Vector128.Narrow(Pairs(Vector128.ShuffleNative(order, ranks.GetLower())), Pairs(Vector128.ShuffleNative(order, ranks.GetUpper())));
    }

    // In [-1, 1]. Where the reciprocal of a tiny scale is infinite, so are the products, but those of zeros, which are not numbers.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Scaled(float* values, float factor)
    {
        var scaled = Vector256.Load(values) * Vector256.Create(factor);
        scaled = Vector256.ConditionalSelect(Vector256.Equals(scaled, scaled), scaled, Vector256<float>.Zero);
        return Vector256.Min(Vector256.Max(scaled, Vector256.Create(-1f)), Vector256<float>.One);
    }

    // Two codes in the low byte, the first in its high bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> Pairs(Vector128<byte> codes)
    {
        var pairs = codes.AsUInt16();
        return (Vector128.ShiftLeft(pairs, 4) | Vector128.ShiftRightLogical(pairs, 8)) & Vector128.Create((ushort)0xFF);
    }
}
