using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Peft.Quantization.Kernels;

/// <summary>Two vectors of AVX2.</summary>
internal readonly unsafe struct Sixteen256(Vector256<float> low, Vector256<float> high) : ISixteen<Sixteen256>
{
    private readonly Vector256<float> low = low, high = high;

    public static bool IsOneVector => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen256 Load(float* from) => new(Vector256.Load(from), Vector256.Load(from + 8));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen256 Of(float value) => new(Vector256.Create(value), Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen256 Of(Vector128<byte> numbers) => new(Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(numbers)), Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(Second(numbers))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen256 Of(Vector128<sbyte> numbers)
        => new(Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(numbers)), Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(Second(numbers.AsByte()).AsSByte())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen256 OfFloat8<TFormat>(Vector128<byte> codes) where TFormat : IFloat8
        => new(Float8<TFormat>(Avx2.ConvertToVector256Int32(codes)), Float8<TFormat>(Avx2.ConvertToVector256Int32(Second(codes))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Float8<TFormat>(Vector256<int> wide) where TFormat : IFloat8
    {
        var bits = wide & Vector256.Create(0x7F);
        var normal = ((TFormat.FractionBits == 3 ? bits << 20 : bits << 21) + Vector256.Create(TFormat.Bias)).AsSingle();   // literals: shifts by constants are faster
        var magnitude = Vector256.MinNative(normal, Vector256.FusedMultiplyAdd(normal, Vector256.Create(2f), Vector256.Create(-TFormat.Least)));
        return (magnitude.AsInt32() | (wide << 24) & Vector256.Create(int.MinValue)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen256 Table(float* values) => Load(values);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen256 Lookup(Sixteen256 table, Vector128<byte> codes)
        => new(Eight(table, Avx2.ConvertToVector256Int32(codes)), Eight(table, Avx2.ConvertToVector256Int32(Second(codes))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen256 LookupPairs(Sixteen256 table, Sixteen256 lowTable, Vector128<byte> pairs, out Sixteen256 low)
    {
        Vector256<int> first = Avx2.ConvertToVector256Int32(pairs), second = Avx2.ConvertToVector256Int32(Second(pairs));
        low = new(Eight(lowTable, first), Eight(lowTable, second));
        return new(Eight(table, first >>> 4), Eight(table, second >>> 4));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen256 Add(Sixteen256 a, Sixteen256 b) => new(a.low + b.low, a.high + b.high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen256 Multiply(Sixteen256 a, Sixteen256 b) => new(a.low * b.low, a.high * b.high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sixteen256 MultiplyAdd(Sixteen256 a, Sixteen256 b, Sixteen256 sum) => new(Vector256.FusedMultiplyAdd(a.low, b.low, sum.low), Vector256.FusedMultiplyAdd(a.high, b.high, sum.high));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Sixteen256 values) => Vector256.Sum(values.low + values.high);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Sixteen256 a, Sixteen256 b, Sixteen256 c, Sixteen256 d) => Sums(a.low + a.high, b.low + b.high, c.low + c.high, d.low + d.high);

    /// <summary>The sums of four vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        var halves = Avx.HorizontalAdd(Avx.HorizontalAdd(a, b), Avx.HorizontalAdd(c, d));
        return halves.GetLower() + halves.GetUpper();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* to)
    {
        low.Store(to);
        high.Store(to + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Second(Vector128<byte> bytes) => Vector128.CreateScalar(bytes.AsUInt64().GetElement(1)).AsByte();

    // A lookup reads the low three bits of a code. The fourth, shifted to the sign, chooses the half of the table.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Eight(Sixteen256 table, Vector256<int> codes)
        => Avx.BlendVariable(Avx2.PermuteVar8x32(table.low, codes), Avx2.PermuteVar8x32(table.high, codes), Vector256.ShiftLeft(codes, 28).AsSingle());
}
