using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Quantizes to the dynamic code on the CPU in float32: bit for bit as with torch operations, in one pass over the values.</summary>
internal static unsafe class DynamicCodeEncoder
{
    /// <summary>True if the kernel supports a flat tensor.</summary>
    public static bool Supports(Tensor flat) => TensorMemory.Supports(flat) && flat.is_contiguous();

    /// <summary>Quantizes values.</summary>
    /// <param name="flat">The values.</param>
    /// <param name="middles">The 255 midpoints between neighboring values of the code.</param>
    /// <param name="blockSize">Values per scale.</param>
    /// <returns>The codes as bytes, and the scale of each block.</returns>
    public static (Tensor Codes, Tensor Scales) Run(Tensor flat, float[] middles, int blockSize)
    {
        var (codes, scales) = (empty(flat.numel(), ScalarType.Byte), empty(TensorParts.Count(flat.numel(), blockSize), ScalarType.Float32));
        var (from, to, scale, count) = (TensorAddress.Of(flat), TensorAddress.Of(codes), TensorAddress.Of(scales), flat.numel());
        TensorMemory.InShares((int)scales.numel(), (_, first, number) =>
        {
            fixed (float* between = middles)
                for (long block = first; block < first + number; block++)
                {
                    var start = block * blockSize;
                    ((float*)scale)[block] = Encode((float*)from + start, (int)Math.Min(blockSize, count - start), between, (byte*)to + start);
                }
        });
        GC.KeepAlive(flat);
        return (codes, scales);
    }

    [MethodImpl(JitOptions.Loop)]
    private static float Encode(float* values, int count, float* middles, byte* codes)
    {
        var largest = LargestMagnitude.Of(values, count);
        var factor = largest == 0 ? 0 : 1 / largest;
        for (var i = 0; i < count; i++)
        {
            var value = values[i] * factor;
            codes[i] = Code(float.IsNaN(value) ? 0 : Math.Clamp(value, -1, 1), middles);
        }
        return largest;
    }

    // The number of midpoints below the value, by bisection without branches.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte Code(float value, float* middles)
    {
        nuint code = 0;
        code += Below(middles[127], value) << 7;
        code += Below(middles[code + 63], value) << 6;
        code += Below(middles[code + 31], value) << 5;
        code += Below(middles[code + 15], value) << 4;
        code += Below(middles[code + 7], value) << 3;
        code += Below(middles[code + 3], value) << 2;
        code += Below(middles[code + 1], value) << 1;
        code += Below(middles[code], value);
        return (byte)code;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nuint Below(float middle, float value) => Unsafe.BitCast<bool, byte>(middle < value);
}
