using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q5_1: d·q + m, of 32 numbers of 4 bits, whose fifth bits lie before them.</summary>
internal readonly unsafe struct Q5x1Block : IGgufBlock
{
    [MethodImpl(JitOptions.Loop)]
    public static void Read<T>(byte* block, float* to) where T : unmanaged, ISixteen<T>
    {
        var (d, m, bytes) = (T.Of(BlockBits.Half(block)), T.Of(BlockBits.Half(block + 2)), Vector128.Load(block + 8));
        T.Add(T.Multiply(d, T.Of(BlockBits.Of(bytes, 0, 15) + BlockBits.Fifth(block + 4))), m).Store(to);
        T.Add(T.Multiply(d, T.Of(BlockBits.Of(bytes, 4, 15) + BlockBits.Fifth(block + 6))), m).Store(to + 16);
    }
}
