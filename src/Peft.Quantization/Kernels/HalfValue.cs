using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Values of float16 in float32. .NET converts one at a time, by a call that takes as long as the product of the block that the value scales.</summary>
internal static unsafe class HalfValue
{
    /// <summary>Converts four values, given by the low 16 bits of each number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Of(Vector128<uint> bits)
    {
        var magnitude = (bits & Vector128.Create(0x7FFFu)) << 13;
        var normal = magnitude + Vector128.Create((127u - 15) << 23);
        // Below 2^-14, the fraction has no leading one: it is added and subtracted.
        var small = ((normal + Vector128.Create(1u << 23)).AsSingle() - Vector128.Create(6.103515625e-5f)).AsUInt32();
        var value = Vector128.ConditionalSelect(Vector128.LessThan(magnitude.AsInt32(), Vector128.Create(0x400 << 13)).AsUInt32(), small, normal);
        // Infinities and NaN.
        value |= Vector128.GreaterThan(magnitude.AsInt32(), Vector128.Create(0x7BFF << 13)).AsUInt32() & Vector128.Create(0x7F800000u);
        return (value | (bits & Vector128.Create(0x8000u)) << 16).AsSingle();
    }

    /// <summary>Converts values that lie at equal distances in memory.</summary>
    /// <param name="from">The first.</param>
    /// <param name="distance">Bytes from one to the next.</param>
    /// <param name="count">Number of values.</param>
    /// <param name="to">Takes them, and up to three more values.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Read(byte* from, nint distance, int count, float* to)
    {
        var i = 0;
        for (; i + 4 <= count; i += 4, from += 4 * distance) Of(Vector128.Create(At(from), At(from + distance), At(from + 2 * distance), At(from + 3 * distance))).Store(to + i);
        if (i < count) Of(Vector128.Create(At(from), i + 1 < count ? At(from + distance) : 0, i + 2 < count ? At(from + 2 * distance) : 0, 0)).Store(to + i);
    }

    /// <summary>Converts pairs of values that lie at equal distances in memory.</summary>
    /// <param name="from">The first pair.</param>
    /// <param name="distance">Bytes from one pair to the next.</param>
    /// <param name="count">Number of pairs.</param>
    /// <param name="first">Takes the first of each pair, and up to three more values.</param>
    /// <param name="second">Takes the second of each pair, and up to three more values.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void ReadPairs(byte* from, nint distance, int count, float* first, float* second)
    {
        for (var i = 0; i < count; i += 4, from += 4 * distance)
        {
            var left = count - i;
            var pairs = Vector128.Create(*(uint*)from, left > 1 ? *(uint*)(from + distance) : 0, left > 2 ? *(uint*)(from + 2 * distance) : 0, left > 3 ? *(uint*)(from + 3 * distance) : 0);
            Of(pairs).Store(first + i);
            Of(pairs >>> 16).Store(second + i);
        }
    }

    /// <summary>Converts consecutive values.</summary>
    /// <param name="from">The first.</param>
    /// <param name="count">Number of values.</param>
    /// <param name="to">Takes them.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Read(ushort* from, int count, float* to)
    {
        var i = 0;
        for (; i + 8 <= count; i += 8)
        {
            var (first, second) = Vector128.Widen(Vector128.Load(from + i));
            Of(first).Store(to + i);
            Of(second).Store(to + i + 4);
        }
        for (; i < count; i++) to[i] = Of(Vector128.CreateScalar((uint)from[i]))[0];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint At(byte* at) => *(ushort*)at;
}
