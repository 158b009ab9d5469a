using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>Q8_0: d·q, of 32 whole numbers of 8 bits.</summary>
internal readonly unsafe struct Q8x0Block : IGgufBlock
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (float Scale, float Offset) Open(byte* block) => (BlockBits.Half(block), 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int index, float scale, float offset) where T : unmanaged, ISixteen<T>
        => T.Multiply(T.Of(scale), T.Of(Vector128.Load((sbyte*)block + 2 + 16 * index)));
}
