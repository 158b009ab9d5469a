using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q4_0: d·(q − 8), of 32 numbers of 4 bits: the low ones of all bytes come first.</summary>
internal readonly unsafe struct Q4x0Block : IGgufBlock
{
    public static int GroupSize => 32;

    public static bool HasOffsets => false;

    public static int Parts => 2;

    public static bool HasPairs => true;

    public static int Zero => 8;

    [MethodImpl(JitOptions.Loop)]
    public static void Factors(byte* blocks, int count, float* scales, float* offsets) => HalfValue.Read(blocks, 18, count, scales);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Pairs(byte* block, int unit, int part) => Vector128.Load(block + 2);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int unit, int part) where T : unmanaged, ISixteen<T>
        => T.Of((BlockBits.Of(Pairs(block, unit, 0), 4 * part, 15) - Vector128.Create((byte)Zero)).AsSByte());
}
