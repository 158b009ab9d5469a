using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q8_0: d·q, of 32 whole numbers of 8 bits.</summary>
internal readonly unsafe struct Q8x0Block : IGgufBlock
{
    [MethodImpl(JitOptions.Loop)]
    public static void Read<T>(byte* block, float* to) where T : unmanaged, ISixteen<T>
    {
        var d = T.Of(BlockBits.Half(block));
        T.Multiply(d, T.Of(Vector128.Load((sbyte*)block + 2))).Store(to);
        T.Multiply(d, T.Of(Vector128.Load((sbyte*)block + 18))).Store(to + 16);
    }
}
