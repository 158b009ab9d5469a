using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>Q5_1: d·q + m, of 32 numbers of 4 bits, whose fifth bits lie before them.</summary>
internal readonly unsafe struct Q5x1Block : IGgufBlock
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (float Scale, float Offset) Open(byte* block) => (BlockBits.Half(block), BlockBits.Half(block + 2));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int index, float scale, float offset) where T : unmanaged, ISixteen<T>
        => T.Add(T.Multiply(T.Of(scale), T.Of(BlockBits.Of(Vector128.Load(block + 8), 4 * index, 15) + BlockBits.Fifth(block + 4 + 2 * index))), T.Of(offset));
}
