using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>Q5_K: as Q4_K, with a fifth bit: that of group j is bit j of 32 bytes.</summary>
internal readonly unsafe struct Q5KBlock : IGgufBlock
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (float Scale, float Offset) Open(byte* block) => (BlockBits.Half(block), BlockBits.Half(block + 2));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int index, float scale, float offset) where T : unmanaged, ISixteen<T>
    {
        var (group, at) = (index / 2, index % 2 * 16);
        var (factor, minimum) = BlockBits.Six(block + 4, group);
        var codes = BlockBits.Of(Vector128.Load(block + 48 + group / 2 * 32 + at), group % 2 * 4, 15) | BlockBits.Of(Vector128.Load(block + 16 + at), group, 1) << 4;
        return T.Add(T.Multiply(T.Of(scale * factor), T.Of(codes)), T.Of(-(offset * minimum)));
    }
}
