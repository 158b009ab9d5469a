using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q4_1: d·q + m, of 32 numbers of 4 bits: the low ones of all bytes come first.</summary>
internal readonly unsafe struct Q4x1Block : IGgufBlock
{
    [MethodImpl(JitOptions.Loop)]
    public static void Read<T>(byte* block, float* to) where T : unmanaged, ISixteen<T>
    {
        var (d, m, bytes) = (T.Of(BlockBits.Half(block)), T.Of(BlockBits.Half(block + 2)), Vector128.Load(block + 4));
        T.Add(T.Multiply(d, T.Of(BlockBits.Of(bytes, 0, 15))), m).Store(to);
        T.Add(T.Multiply(d, T.Of(BlockBits.Of(bytes, 4, 15))), m).Store(to + 16);
    }
}
