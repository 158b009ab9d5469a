using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q5_0: d·(q − 16), of 32 numbers of 4 bits, whose fifth bits lie before them.</summary>
internal readonly unsafe struct Q5x0Block : IGgufBlock
{
    public static int GroupSize => 32;

    public static bool HasOffsets => false;

    public static int Parts => 2;

    [MethodImpl(JitOptions.Loop)]
    public static void Factors(byte* blocks, int count, float* scales, float* offsets) => HalfValue.Read(blocks, 22, count, scales);

    // Without the fifth bit, q − 16 is the low bits below ones.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int unit, int part) where T : unmanaged, ISixteen<T>
        => T.Of((BlockBits.Of(Vector128.Load(block + 6), 4 * part, 15) | (~BlockBits.Fifth(block + 2, part) & Vector128.Create((byte)0xF0))).AsSByte());
}
