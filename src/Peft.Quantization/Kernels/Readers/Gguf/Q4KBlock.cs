using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q4_K: d·scale·q − dmin·minimum, of 8 groups of 32 numbers: of each 32 bytes the low bits are one group, the high ones the next.</summary>
internal readonly unsafe struct Q4KBlock : IGgufBlock
{
    public static int GroupSize => 32;

    public static bool HasOffsets => true;

    public static int Parts => 4;

    public static bool HasPairs => true;

    [MethodImpl(JitOptions.Loop)]
    public static void Factors(byte* blocks, int count, float* scales, float* offsets) => BlockBits.KFactors(blocks, 144, count, scales, offsets);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Pairs(byte* block, int unit, int part) => Vector128.Load(block + 16 + 32 * unit + 16 * part);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int unit, int part) where T : unmanaged, ISixteen<T>
        => T.Of(BlockBits.Of(Pairs(block, unit, part % 2), part / 2 * 4, 15));
}
