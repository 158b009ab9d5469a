using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Values of float16 in float32. .NET converts one at a time, by a call that takes as long as the product of the block that the value scales.</summary>
internal static unsafe class HalfValue
{
    private const int Eight = 8;

    /// <summary>Converts a value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Of(uint bits) => Of(Vector256.CreateScalar(bits))[0];

    /// <summary>Converts two values, the first in the low bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (float First, float Second) Two(uint pair)
    {
        var both = Of(Vector256.WidenLower(Vector256.CreateScalar(pair).AsUInt16()));
        return (both[0], both[1]);
    }

    // Given by the low 16 bits of each number.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Of(Vector256<uint> bits)
    {
        var magnitude = (bits & Vector256.Create(0x7FFFu)) << 13;
        var normal = magnitude + Vector256.Create((127u - 15) << 23);
        // Below 2^-14, the fraction has no leading one: it is added and subtracted.
        var small = ((normal + Vector256.Create(1u << 23)).AsSingle() - Vector256.Create(6.103515625e-5f)).AsUInt32();
        var value = Vector256.ConditionalSelect(Vector256.LessThan(magnitude.AsInt32(), Vector256.Create(0x400 << 13)).AsUInt32(), small, normal);
        // Infinities and NaN.
        value |= Vector256.GreaterThan(magnitude.AsInt32(), Vector256.Create(0x7BFF << 13)).AsUInt32() & Vector256.Create(0x7F800000u);
        return (value | (bits & Vector256.Create(0x8000u)) << 16).AsSingle();
    }

    /// <summary>Converts consecutive values.</summary>
    /// <param name="from">The first.</param>
    /// <param name="count">Number of values.</param>
    /// <param name="to">Takes them.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Read(ushort* from, int count, float* to)
    {
        var i = 0;
        for (; i + Eight <= count; i += Eight) Wide(Vector128.Load(from + i)).Store(to + i);
        for (; i < count; i++) to[i] = Of(from[i]);
    }

    /// <summary>Converts values that lie at equal distances in memory.</summary>
    /// <param name="from">The first.</param>
    /// <param name="distance">Bytes from one to the next.</param>
    /// <param name="count">Number of values.</param>
    /// <param name="to">Takes them.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Read(byte* from, nint distance, int count, float* to)
    {
        var i = 0;
        for (; i + Eight <= count; i += Eight, from += Eight * distance)
        {
            var half = from + 4 * distance;
            Wide(Vector128.Create(*(ushort*)from, *(ushort*)(from + distance), *(ushort*)(from + 2 * distance), *(ushort*)(half - distance), *(ushort*)half, *(ushort*)(half + distance), *(ushort*)(half + 2 * distance), *(ushort*)(half + 3 * distance))).Store(to + i);
        }
        for (; i < count; i++, from += distance) to[i] = Of(*(ushort*)from);
    }

    /// <summary>Converts pairs of values that lie at equal distances in memory.</summary>
    /// <param name="from">The first pair.</param>
    /// <param name="distance">Bytes from one pair to the next.</param>
    /// <param name="count">Number of pairs.</param>
    /// <param name="first">Takes the first of each pair.</param>
    /// <param name="second">Takes the second of each pair.</param>
    [MethodImpl(JitOptions.Loop)]
    public static void ReadPairs(byte* from, nint distance, int count, float* first, float* second)
    {
        var i = 0;
        for (; i + Eight <= count; i += Eight, from += Eight * distance)
        {
            var half = from + 4 * distance;
            var pairs = Vector256.Create(*(uint*)from, *(uint*)(from + distance), *(uint*)(from + 2 * distance), *(uint*)(half - distance), *(uint*)half, *(uint*)(half + distance), *(uint*)(half + 2 * distance), *(uint*)(half + 3 * distance));
            Of(pairs).Store(first + i);
            Of(pairs >>> 16).Store(second + i);
        }
        for (; i < count; i++, from += distance) (first[i], second[i]) = Two(*(uint*)from);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Wide(Vector128<ushort> eight) => Of(Vector256.WidenLower(eight.ToVector256Unsafe()));
}
