using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Peft.Quantization.Kernels;

/// <summary>One vector of AVX-512, the only instructions of this width that .NET knows.</summary>
internal readonly unsafe struct Sixteen512(Vector512<float> all) : ISixteen<Sixteen512>
{
    private readonly Vector512<float> all = all;

    public static bool IsOneVector => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen512 Load(float* from) => new(Vector512.Load(from));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen512 Of(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen512 Of(Vector128<byte> numbers) => new(Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(numbers)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen512 Of(Vector128<sbyte> numbers) => new(Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(numbers)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen512 OfFloat8<TFormat>(Vector128<byte> codes) where TFormat : IFloat8
    {
        var wide = Avx512F.ConvertToVector512Int32(codes);
        var bits = wide & Vector512.Create(0x7F);
        var normal = ((TFormat.FractionBits == 3 ? bits << 20 : bits << 21) + Vector512.Create(TFormat.Bias)).AsSingle();   // literals: shifts by constants are faster
        var magnitude = Vector512.MinNative(normal, Vector512.FusedMultiplyAdd(normal, Vector512.Create(2f), Vector512.Create(-TFormat.Least)));
        return new((magnitude.AsInt32() | (wide << 24) & Vector512.Create(int.MinValue)).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen512 Table(float* values) => Load(values);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen512 Lookup(Sixteen512 table, Vector128<byte> codes) => new(Avx512F.PermuteVar16x32(table.all, Avx512F.ConvertToVector512Int32(codes)));

    // A lookup reads the low four bits of an index.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen512 LookupPairs(Sixteen512 table, Sixteen512 lowTable, Vector128<byte> pairs, out Sixteen512 low)
    {
        var indices = Avx512F.ConvertToVector512Int32(pairs);
        low = new(Avx512F.PermuteVar16x32(lowTable.all, indices));
        return new(Avx512F.PermuteVar16x32(table.all, indices >>> 4));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen512 Add(Sixteen512 a, Sixteen512 b) => new(a.all + b.all);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen512 Multiply(Sixteen512 a, Sixteen512 b) => new(a.all * b.all);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen512 MultiplyAdd(Sixteen512 a, Sixteen512 b, Sixteen512 sum) => new(Vector512.FusedMultiplyAdd(a.all, b.all, sum.all));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Sixteen512 values) => Vector256.Sum(Half(values));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Sixteen512 a, Sixteen512 b, Sixteen512 c, Sixteen512 d) => Sixteen256.Sums(Half(a), Half(b), Half(c), Half(d));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Half(Sixteen512 values) => values.all.GetLower() + values.all.GetUpper();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* to) => all.Store(to);
}
