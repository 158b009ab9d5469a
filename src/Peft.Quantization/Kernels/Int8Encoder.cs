using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization.Kernels;

/// <summary>Quantizes rows to LLM.int8 on the CPU: the same bits as by operations of torch, in one pass over the values.</summary>
internal static unsafe class Int8Encoder
{
    /// <summary>Quantizes rows, which are contiguous and in float32, after rounding to float16.</summary>
    /// <param name="rows"><c>[rows, columns]</c></param>
    /// <param name="codes">Takes the codes, likewise.</param>
    /// <param name="scales">Takes the scale of each row; infinite if a value is beyond float16.</param>
    public static void Run(Tensor rows, Tensor codes, Tensor scales)
    {
        var (from, to, scale, columns) = (TensorAddress.Of(rows), TensorAddress.Of(codes), TensorAddress.Of(scales), (int)rows.size(1));
        TensorMemory.InShares((int)rows.size(0), (_, first, count) =>
        {
            var padded = (columns + 31) / 32 * 32;
            var buffer = new float[padded];
            fixed (float* row = buffer)
            {
                for (var i = first; i < first + count; i++)
                {
                    new ReadOnlySpan<float>((float*)from + (nint)i * columns, columns).CopyTo(buffer);
                    HalfRounding.Round(row, padded, ScalarType.Float16);
                    ((float*)scale)[i] = Encode(row, columns, padded, (sbyte*)to + (nint)i * columns);
                }
            }
        });
        GC.KeepAlive((rows, codes, scales));
    }

    // A row of zeros has the scale 0. The values end with zeros.
    [MethodImpl(JitOptions.Loop)]
    private static float Encode(float* row, int count, int padded, sbyte* to)
    {
        var largest = LargestMagnitude.Of(row, padded);
        var factor = Vector256.Create(largest == 0 ? 0 : 1 / largest * 127);   // in the order of bitsandbytes
        for (var i = 0; i < padded; i += 32)
        {
            var codes = Vector256.Narrow(Vector256.Narrow(Whole(row + i, factor), Whole(row + i + 8, factor)), Vector256.Narrow(Whole(row + i + 16, factor), Whole(row + i + 24, factor)));
            if (i + 32 <= count) codes.Store(to + i);
            else
                for (var k = i; k < count; k++) to[k] = codes[k - i];
        }
        return largest;
    }

    // Ties go to even.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Whole(float* from, Vector256<float> factor) => Vector256.ConvertToInt32(Vector256.Round(Vector256.Load(from) * factor));
}
