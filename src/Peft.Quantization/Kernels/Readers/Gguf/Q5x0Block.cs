using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q5_0: d·(q − 16), of 32 numbers of 4 bits, whose fifth bits lie before them.</summary>
internal readonly unsafe struct Q5x0Block : IGgufBlock
{
    [MethodImpl(JitOptions.Loop)]
    public static void Read<T>(byte* block, float* to) where T : unmanaged, ISixteen<T>
    {
        var (d, bytes, sixteen) = (T.Of(BlockBits.Half(block)), Vector128.Load(block + 6), Vector128.Create((byte)16));
        T.Multiply(d, T.Of((BlockBits.Of(bytes, 0, 15) + BlockBits.Fifth(block + 2) - sixteen).AsSByte())).Store(to);
        T.Multiply(d, T.Of((BlockBits.Of(bytes, 4, 15) + BlockBits.Fifth(block + 4) - sixteen).AsSByte())).Store(to + 16);
    }
}
