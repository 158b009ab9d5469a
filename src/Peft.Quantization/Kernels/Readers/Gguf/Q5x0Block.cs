using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>Q5_0: d·(q − 16), of 32 numbers of 4 bits, whose fifth bits lie before them.</summary>
internal readonly unsafe struct Q5x0Block : IGgufBlock
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (float Scale, float Offset) Open(byte* block) => (BlockBits.Half(block), 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int index, float scale, float offset) where T : unmanaged, ISixteen<T>
        => T.Multiply(T.Of(scale), T.Of((BlockBits.Of(Vector128.Load(block + 6), 4 * index, 15) + BlockBits.Fifth(block + 2 + 2 * index) - Vector128.Create((byte)16)).AsSByte()));
}
