using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>Q4_K: d·scale·q − dmin·minimum, of 8 groups of 32 numbers: of each 32 bytes the low bits are one group, the high ones the next.</summary>
internal readonly unsafe struct Q4KBlock : IGgufBlock
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (float Scale, float Offset) Open(byte* block) => (BlockBits.Half(block), BlockBits.Half(block + 2));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int index, float scale, float offset) where T : unmanaged, ISixteen<T>
    {
        var group = index / 2;
        var (factor, minimum) = BlockBits.Six(block + 4, group);
        var codes = BlockBits.Of(Vector128.Load(block + 16 + group / 2 * 32 + index % 2 * 16), group % 2 * 4, 15);
        return T.Add(T.Multiply(T.Of(scale * factor), T.Of(codes)), T.Of(-(offset * minimum)));
    }
}
