using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q4_K: d·scale·q − dmin·minimum, of 8 groups of 32 numbers: of each 32 bytes the low bits are one group, the high ones the next.</summary>
internal readonly unsafe struct Q4KBlock : IGgufBlock
{
    [MethodImpl(JitOptions.Loop)]
    public static void Read<T>(byte* block, float* to) where T : unmanaged, ISixteen<T>
    {
        var (d, dmin) = (BlockBits.Half(block), BlockBits.Half(block + 2));
        for (var group = 0; group < 8; group++, to += 32)
        {
            var (scale, minimum) = BlockBits.Six(block + 4, group);
            var (factor, offset) = (T.Of(d * scale), T.Of(-(dmin * minimum)));
            var bytes = block + 16 + group / 2 * 32;
            T.Add(T.Multiply(factor, T.Of(BlockBits.Of(Vector128.Load(bytes), group % 2 * 4, 15))), offset).Store(to);
            T.Add(T.Multiply(factor, T.Of(BlockBits.Of(Vector128.Load(bytes + 16), group % 2 * 4, 15))), offset).Store(to + 16);
        }
    }
}
