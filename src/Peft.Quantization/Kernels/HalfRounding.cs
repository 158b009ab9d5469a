using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Peft.Quantization.Kernels;

/// <summary>Rounds float32 values to those of a 16-bit dtype, ties to even.</summary>
internal static unsafe class HalfRounding
{
    /// <summary>Rounds values in place. No effect for other dtypes.</summary>
    public static void Round(float* values, int count, ScalarType type)
    {
        if (type is not (ScalarType.BFloat16 or ScalarType.Float16)) return;
        var i = 0;
        for (; i + 8 <= count; i += 8) Round(Vector256.Load(values + i), type).Store(values + i);
        if (i == count) return;
        var last = stackalloc float[8];
        new ReadOnlySpan<float>(values + i, count - i).CopyTo(new Span<float>(last, 8));
        Round(Vector256.Load(last), type).Store(last);
        new ReadOnlySpan<float>(last, count - i).CopyTo(new Span<float>(values + i, count - i));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Round(Vector256<float> values, ScalarType type)
    {
        if (type == ScalarType.BFloat16) return Cut(values, 16);
        var size = Vector256.Abs(values);
        // Below 2^-14, float16 has the distance 2^-24: that of float32 between 0.5 and 1. Above 65,504, it ends.
        var small = (size + Vector256.Create(0.5f)) - Vector256.Create(0.5f);
        var rounded = Vector256.ConditionalSelect(Vector256.LessThan(size, Vector256.Create(6.103515625e-5f)), small, Cut(size, 13));
        rounded = Vector256.ConditionalSelect(Vector256.GreaterThan(rounded, Vector256.Create(65504f)), Vector256.Create(float.PositiveInfinity), rounded);
        return Vector256.CopySign(rounded, values);
    }

    // Rounds off the last bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Cut(Vector256<float> values, int bits)
    {
        var whole = values.AsUInt32();
        var half = Vector256.Create((1u << (bits - 1)) - 1) + (Vector256.ShiftRightLogical(whole, bits) & Vector256<uint>.One);
        return Vector256.ShiftLeft(Vector256.ShiftRightLogical(whole + half, bits), bits).AsSingle();
    }
}
