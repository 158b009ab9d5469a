using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>Q4_1: d·q + m, of 32 numbers of 4 bits: the low ones of all bytes come first.</summary>
internal readonly unsafe struct Q4x1Block : IGgufBlock
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (float Scale, float Offset) Open(byte* block) => (BlockBits.Half(block), BlockBits.Half(block + 2));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int index, float scale, float offset) where T : unmanaged, ISixteen<T>
        => T.Add(T.Multiply(T.Of(scale), T.Of(BlockBits.Of(Vector128.Load(block + 4), 4 * index, 15))), T.Of(offset));
}
