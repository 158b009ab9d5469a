using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>Two integers a byte.</summary>
internal readonly unsafe struct FourBits : ICodes
{
    public static int Bits => 4;

    public static bool ArePairs => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Sixteen(byte* row, nint first)
    {
        var bytes = Vector128.CreateScalar(Unsafe.ReadUnaligned<ulong>(row + first / 2)).AsByte();
        return Interleaving.Low(BlockBits.Of(bytes, 0, 15), bytes >>> 4);
    }
}
