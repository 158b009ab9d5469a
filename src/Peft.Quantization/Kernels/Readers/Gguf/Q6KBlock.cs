using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q6_K: d·scale·(q − 32), with a scale for each 16 numbers. Each half of 128 has low bits in 64 bytes and two more of each in 32.</summary>
internal readonly unsafe struct Q6KBlock : IGgufBlock
{
    [MethodImpl(JitOptions.Loop)]
    public static void Read<T>(byte* block, float* to) where T : unmanaged, ISixteen<T>
    {
        var d = BlockBits.Half(block + 208);
        for (var i = 0; i < 256; i += 16)
        {
            var (half, quarter, at) = (i / 128, i % 128 / 32, i % 32);
            var low = BlockBits.Of(Vector128.Load(block + half * 64 + quarter % 2 * 32 + at), quarter / 2 * 4, 15);
            var high = BlockBits.Of(Vector128.Load(block + 128 + half * 32 + at), quarter * 2, 3) << 4;
            var numbers = ((low | high) - Vector128.Create((byte)32)).AsSByte();
            T.Multiply(T.Of(d * (sbyte)block[192 + i / 16]), T.Of(numbers)).Store(to + i);
        }
    }
}
