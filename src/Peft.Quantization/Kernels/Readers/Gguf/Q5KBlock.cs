using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q5_K: as Q4_K, with a fifth bit: that of group j is bit j of 32 bytes.</summary>
internal readonly unsafe struct Q5KBlock : IGgufBlock
{
    public static int GroupSize => 32;

    public static bool HasOffsets => true;

    public static int Parts => 4;

    [MethodImpl(JitOptions.Loop)]
    public static void Factors(byte* blocks, int count, float* scales, float* offsets) => BlockBits.KFactors(blocks, 176, count, scales, offsets);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int unit, int part) where T : unmanaged, ISixteen<T>
    {
        var (group, at) = (2 * unit + part / 2, part % 2 * 16);
        return T.Of(BlockBits.Of(Vector128.Load(block + 48 + 32 * unit + at), part / 2 * 4, 15) | BlockBits.Of(Vector128.Load(block + 16 + at), group, 1) << 4);
    }
}
