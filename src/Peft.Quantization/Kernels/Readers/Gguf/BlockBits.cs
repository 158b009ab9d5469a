using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>What GGUF's blocks are made of.</summary>
internal static unsafe class BlockBits
{
    /// <summary>A float16 value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Half(byte* at) => (float)BitConverter.UInt16BitsToHalf(Unsafe.ReadUnaligned<ushort>(at));

    /// <summary>Some bits of each byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Of(Vector128<byte> bytes, int shift, int mask) => (bytes >>> shift) & Vector128.Create((byte)mask);

    /// <summary>16 for each of sixteen bits that is set, else 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Fifth(byte* at)
    {
        var each = Vector128.Create(1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128);
        var bits = Vector128.Create(Vector64.Create(at[0]), Vector64.Create(at[1]));
        return Vector128.Equals(bits & each, each) & Vector128.Create((byte)16);
    }

    /// <summary>One of the eight scales and minima of 6 bits in the 12 bytes of K-quants.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (int Scale, int Minimum) Six(byte* packed, int group)
        => group < 4 ? (packed[group] & 63, packed[group + 4] & 63)
            : ((packed[group + 4] & 15) | (packed[group - 4] >> 6 << 4), (packed[group + 4] >> 4) | (packed[group] >> 6 << 4));
}
