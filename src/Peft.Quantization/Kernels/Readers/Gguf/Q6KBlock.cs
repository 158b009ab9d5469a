using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Q6_K: d·scale·(q − 32), with a scale for each 16 numbers. Each half of 128 has low bits in 64 bytes and two more of each in 32.</summary>
internal readonly unsafe struct Q6KBlock : IGgufBlock
{
    public static int GroupSize => 16;

    public static bool HasOffsets => false;

    public static int Parts => 8;

    [MethodImpl(JitOptions.Loop)]
    public static void Factors(byte* blocks, int count, float* scales, float* offsets)
    {
        for (var i = 0; i < count; i++, blocks += 210, scales += 16)
        {
            var d = Vector128.Create(HalfValue.Of(Vector128.CreateScalar((uint)Unsafe.ReadUnaligned<ushort>(blocks + 208)))[0]);
            var numbers = Vector128.Load((sbyte*)blocks + 192);
            BlockBits.Scale(Vector128.WidenLower(numbers), d, scales);
            BlockBits.Scale(Vector128.WidenUpper(numbers), d, scales + 8);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sixteen<T>(byte* block, int unit, int part) where T : unmanaged, ISixteen<T>
    {
        var (quarter, at) = (part / 2, part % 2 * 16);
        var low = BlockBits.Of(Vector128.Load(block + unit * 64 + quarter % 2 * 32 + at), quarter / 2 * 4, 15);
        var high = BlockBits.Of(Vector128.Load(block + 128 + unit * 32 + at), quarter * 2, 3) << 4;
        return T.Of(((low | high) - Vector128.Create((byte)32)).AsSByte());
    }
}
