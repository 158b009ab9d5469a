using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q4_0: d·(q − 8), of 32 numbers of 4 bits: the low ones of all bytes come first.</summary>
internal readonly unsafe struct Q4x0Block : IGgufBlock
{
    [MethodImpl(JitOptions.Loop)]
    public static void Read<T>(byte* block, float* to) where T : unmanaged, ISixteen<T>
    {
        var (d, bytes, eight) = (T.Of(BlockBits.Half(block)), Vector128.Load(block + 2), Vector128.Create((byte)8));
        T.Multiply(d, T.Of((BlockBits.Of(bytes, 0, 15) - eight).AsSByte())).Store(to);
        T.Multiply(d, T.Of((BlockBits.Of(bytes, 4, 15) - eight).AsSByte())).Store(to + 16);
    }
}
