using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>Four vectors of NEON or SSE, or what .NET computes in their place.</summary>
internal readonly unsafe struct Sixteen128(Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> d) : ISixteen<Sixteen128>
{
    private readonly Vector128<float> a = a, b = b, c = c, d = d;

    public static bool IsOneVector => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen128 Load(float* from) => new(Vector128.Load(from), Vector128.Load(from + 4), Vector128.Load(from + 8), Vector128.Load(from + 12));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen128 Of(float value)
    {
        var each = Vector128.Create(value);
        return new(each, each, each, each);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen128 Of(Vector128<byte> numbers)
    {
        var (first, second) = Vector128.Widen(numbers);
        return Of(first.AsInt16(), second.AsInt16());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen128 Of(Vector128<sbyte> numbers)
    {
        var (first, second) = Vector128.Widen(numbers);
        return Of(first, second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Sixteen128 Of(Vector128<short> first, Vector128<short> second)
    {
        var (a, b) = Vector128.Widen(first);
        var (c, d) = Vector128.Widen(second);
        return new(Vector128.ConvertToSingle(a), Vector128.ConvertToSingle(b), Vector128.ConvertToSingle(c), Vector128.ConvertToSingle(d));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen128 OfFloat8<TFormat>(Vector128<byte> codes) where TFormat : IFloat8
    {
        var (first, second) = Vector128.Widen(codes);
        var ((a, b), (c, d)) = (Vector128.Widen(first), Vector128.Widen(second));
        return new(Float8<TFormat>(a), Float8<TFormat>(b), Float8<TFormat>(c), Float8<TFormat>(d));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Float8<TFormat>(Vector128<uint> wide) where TFormat : IFloat8
    {
        var bits = wide & Vector128.Create(0x7Fu);
        var normal = ((TFormat.FractionBits == 3 ? bits << 20 : bits << 21) + Vector128.Create((uint)TFormat.Bias)).AsSingle();   // literals: shifts by constants are faster
        var magnitude = Vector128.MinNative(normal, normal + normal - Vector128.Create(TFormat.Least));
        return (magnitude.AsUInt32() | (wide << 24) & Vector128.Create(0x80000000u)).AsSingle();
    }

    /// <summary>The first bytes of the values, the second, the third and the fourth: processors of this width look up bytes.</summary>
    public static Sixteen128 Table(float* values)
    {
        var planes = stackalloc byte[64];
        for (var i = 0; i < 64; i++) planes[i % 4 * 16 + i / 4] = ((byte*)values)[i];
        return Load((float*)planes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen128 Lookup(Sixteen128 table, Vector128<byte> codes)
    {
        Vector128<byte> first = Vector128.ShuffleNative(table.a.AsByte(), codes), second = Vector128.ShuffleNative(table.b.AsByte(), codes);
        Vector128<byte> third = Vector128.ShuffleNative(table.c.AsByte(), codes), fourth = Vector128.ShuffleNative(table.d.AsByte(), codes);
        Vector128<ushort> low = Interleaving.Low(first, second).AsUInt16(), lowTop = Interleaving.Low(third, fourth).AsUInt16();
        Vector128<ushort> high = Interleaving.High(first, second).AsUInt16(), highTop = Interleaving.High(third, fourth).AsUInt16();
        return new(Interleaving.Low(low, lowTop).AsSingle(), Interleaving.High(low, lowTop).AsSingle(), Interleaving.Low(high, highTop).AsSingle(), Interleaving.High(high, highTop).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen128 LookupPairs(Sixteen128 table, Sixteen128 lowTable, Vector128<byte> pairs, out Sixteen128 low)
    {
        low = Lookup(lowTable, pairs & Vector128.Create((byte)15));
        return Lookup(table, pairs >>> 4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen128 Add(Sixteen128 x, Sixteen128 y) => new(x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen128 Multiply(Sixteen128 x, Sixteen128 y) => new(x.a * y.a, x.b * y.b, x.c * y.c, x.d * y.d);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen128 MultiplyAdd(Sixteen128 x, Sixteen128 y, Sixteen128 sum)
        => new(Vector128.MultiplyAddEstimate(x.a, y.a, sum.a), Vector128.MultiplyAddEstimate(x.b, y.b, sum.b), Vector128.MultiplyAddEstimate(x.c, y.c, sum.c), Vector128.MultiplyAddEstimate(x.d, y.d, sum.d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Sixteen128 values) => Vector128.Sum(values.a + values.b + (values.c + values.d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Sixteen128 a, Sixteen128 b, Sixteen128 c, Sixteen128 d) => Vector128.Create(Sum(a), Sum(b), Sum(c), Sum(d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* to)
    {
        a.Store(to);
        b.Store(to + 4);
        c.Store(to + 8);
        d.Store(to + 12);
    }
}
