using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>Q6_K: d·scale·(q − 32), with a scale for each 16 numbers. Each half of 128 has low bits in 64 bytes and two more of each in 32.</summary>
internal readonly unsafe struct Q6KBlock : IGgufBlock
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (float Scale, float Offset) Open(byte* block) => (BlockBits.Half(block + 208), 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int index, float scale, float offset) where T : unmanaged, ISixteen<T>
    {
        var (half, quarter, at) = (index / 8, index % 8 / 2, index % 2 * 16);
        var low = BlockBits.Of(Vector128.Load(block + half * 64 + quarter % 2 * 32 + at), quarter / 2 * 4, 15);
        var high = BlockBits.Of(Vector128.Load(block + 128 + half * 32 + at), quarter * 2, 3) << 4;
        return T.Multiply(T.Of(scale * (sbyte)block[192 + index]), T.Of(((low | high) - Vector128.Create((byte)32)).AsSByte()));
    }
}
