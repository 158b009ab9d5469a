using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q5_1: d·q + m, of 32 numbers of 4 bits, whose fifth bits lie before them.</summary>
internal readonly unsafe struct Q5x1Block : IGgufBlock
{
    public static int GroupSize => 32;

    public static bool HasOffsets => true;

    public static int Parts => 2;

    [MethodImpl(JitOptions.Loop)]
    public static void Factors(byte* blocks, int count, float* scales, float* offsets) => HalfValue.ReadPairs(blocks, 24, count, scales, offsets);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int unit, int part) where T : unmanaged, ISixteen<T>
        => T.Of(BlockBits.Of(Vector128.Load(block + 8), 4 * part, 15) | (BlockBits.Fifth(block + 4, part) & Vector128.Create((byte)16)));
}
