using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q5_K: as Q4_K, with a fifth bit: that of group j is bit j of 32 bytes.</summary>
internal readonly unsafe struct Q5KBlock : IGgufBlock
{
    [MethodImpl(JitOptions.Loop)]
    public static void Read<T>(byte* block, float* to) where T : unmanaged, ISixteen<T>
    {
        var (d, dmin) = (BlockBits.Half(block), BlockBits.Half(block + 2));
        for (var group = 0; group < 8; group++, to += 32)
        {
            var (scale, minimum) = BlockBits.Six(block + 4, group);
            var (factor, offset) = (T.Of(d * scale), T.Of(-(dmin * minimum)));
            var bytes = block + 48 + group / 2 * 32;
            for (var i = 0; i < 32; i += 16)
            {
                var fifth = BlockBits.Of(Vector128.Load(block + 16 + i), group, 1) << 4;
                T.Add(T.Multiply(factor, T.Of(BlockBits.Of(Vector128.Load(bytes + i), group % 2 * 4, 15) | fifth)), offset).Store(to + i);
            }
        }
    }
}
