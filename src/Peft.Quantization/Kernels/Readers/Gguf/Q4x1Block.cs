using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q4_1: d·q + m, of 32 numbers of 4 bits: the low ones of all bytes come first.</summary>
internal readonly unsafe struct Q4x1Block : IGgufBlock
{
    public static int GroupSize => 32;

    public static bool HasOffsets => true;

    public static int Parts => 2;

    public static bool HasPairs => true;

    [MethodImpl(JitOptions.Loop)]
    public static void Factors(byte* blocks, int count, float* scales, float* offsets) => HalfValue.ReadPairs(blocks, 20, count, scales, offsets);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Pairs(byte* block, int unit, int part) => Vector128.Load(block + 4);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int unit, int part) where T : unmanaged, ISixteen<T>
        => T.Of(BlockBits.Of(Pairs(block, unit, 0), 4 * part, 15));
}
