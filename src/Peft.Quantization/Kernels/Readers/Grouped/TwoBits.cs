using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>Four integers a byte.</summary>
internal readonly unsafe struct TwoBits : ICodes
{
    public static int Bits => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Sixteen(byte* row, nint first)
    {
        var bytes = Vector128.CreateScalar(Unsafe.ReadUnaligned<uint>(row + first / 4)).AsByte();
        Vector128<byte> even = Interleaving.Low(BlockBits.Of(bytes, 0, 3), BlockBits.Of(bytes, 4, 3)), odd = Interleaving.Low(BlockBits.Of(bytes, 2, 3), BlockBits.Of(bytes, 6, 3));
        return Interleaving.Low(even, odd);
    }
}
