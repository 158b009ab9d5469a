using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>Sixteen float32 values in vectors of some width, so that a kernel is written once for all widths.</summary>
internal unsafe interface ISixteen<T> where T : unmanaged, ISixteen<T>
{
    /// <summary>True if all sixteen are one vector, so that registers hold many of them.</summary>
    static abstract bool IsOneVector { get; }

    static abstract T Load(float* from);

    /// <summary>The same value sixteen times.</summary>
    static abstract T Of(float value);

    static abstract T Of(Vector128<byte> numbers);

    static abstract T Of(Vector128<sbyte> numbers);

    /// <summary>Finite floating-point numbers of 8 bits.</summary>
    static abstract T OfFloat8<TFormat>(Vector128<byte> codes) where TFormat : IFloat8;

    /// <summary>A table of sixteen values, in the form that <see cref="Lookup"/> takes: that of the values themselves if they are one vector.</summary>
    static abstract T Table(float* values);

    /// <summary>The values of codes below 16.</summary>
    static abstract T Lookup(T table, Vector128<byte> codes);

    /// <summary>The values of pairs of codes: those in the high bits of each byte by one table, and those in the low ones by another.</summary>
    static abstract T LookupPairs(T table, T lowTable, Vector128<byte> pairs, out T low);

    static abstract T Add(T a, T b);

    static abstract T Multiply(T a, T b);

    /// <summary>a·b + sum, rounded once where the processor can.</summary>
    static abstract T MultiplyAdd(T a, T b, T sum);

    static abstract float Sum(T values);

    /// <summary>The sums of four.</summary>
    static abstract Vector128<float> Sums(T a, T b, T c, T d);

    void Store(float* to);
}
