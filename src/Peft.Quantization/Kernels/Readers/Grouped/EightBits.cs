using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>An integer a byte.</summary>
internal readonly unsafe struct EightBits : ICodes
{
    public static int Bits => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Sixteen(byte* row, nint first) => Vector128.Load(row + first);
}
