using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q8_0: d·q, of 32 whole numbers of 8 bits.</summary>
internal readonly unsafe struct Q8x0Block : IGgufBlock
{
    public static int GroupSize => 32;

    public static bool HasOffsets => false;

    public static int Parts => 2;

    [MethodImpl(JitOptions.Loop)]
    public static void Factors(byte* blocks, int count, float* scales, float* offsets) => HalfValue.Read(blocks, 34, count, scales);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int unit, int part) where T : unmanaged, ISixteen<T>
        => T.Of(Vector128.Load((sbyte*)block + 2 + 16 * part));
}
