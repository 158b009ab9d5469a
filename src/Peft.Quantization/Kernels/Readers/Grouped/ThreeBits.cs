using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>Eight integers in three bytes, as one stream of bits.</summary>
internal readonly unsafe struct ThreeBits : ICodes
{
    public static int Bits => 3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Sixteen(byte* row, nint first)
    {
        var at = row + first / 8 * 3;
        return Vector128.Create(Eight(Unsafe.ReadUnaligned<ushort>(at) | (uint)at[2] << 16), Eight(Unsafe.ReadUnaligned<ushort>(at + 3) | (uint)at[5] << 16)).AsByte();
    }

    // Halves the distance in three steps: groups of 12 bits in 32, of 6 in 16, of 3 in 8.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Eight(ulong bits)
    {
        bits = (bits | (bits << 20)) & 0x00000FFF00000FFF;
        bits = (bits | (bits << 10)) & 0x003F003F003F003F;
        return (bits | (bits << 5)) & 0x0707070707070707;
    }
}
