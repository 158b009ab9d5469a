using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>Q4_0: d·(q − 8), of 32 numbers of 4 bits: the low ones of all bytes come first.</summary>
internal readonly unsafe struct Q4x0Block : IGgufBlock
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (float Scale, float Offset) Open(byte* block) => (BlockBits.Half(block), 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int index, float scale, float offset) where T : unmanaged, ISixteen<T>
        => T.Multiply(T.Of(scale), T.Of((BlockBits.Of(Vector128.Load(block + 2), 4 * index, 15) - Vector128.Create((byte)8)).AsSByte()));
}
