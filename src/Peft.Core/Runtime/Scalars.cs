using System.Collections.Concurrent;
using TorchSharp;

namespace Peft;

#pragma warning disable RS0030 // the only place that creates scalars

/// <summary>
/// Caches scalar operands of tensor operations. TorchSharp creates a native object per scalar and passes its address, and the garbage collector may finalize the
/// object on another thread while the operation still uses it. Scalars from this cache stay alive. Layers run on many threads and must use it for all scalars.
/// </summary>
public static class Scalars
{
    // Most values are constants in code. Of all others, the latest are kept for much longer than an operation takes.
    private const int Constants = 4096, Others = 1 << 16;

    private static readonly ConcurrentDictionary<ValueType, Scalar> Known = [];
    private static readonly Scalar[] Latest = new Scalar[Others];
    private static int count;

    /// <summary>The alpha of a sum: <c>a.add(b, One)</c>. Without it, TorchSharp creates a scalar for each call, which the garbage collector may free too early.</summary>
    public static Scalar One { get; } = Constant(1);

    /// <summary>Returns a cached scalar.</summary>
    public static Scalar Constant(double number) => Find(number) ?? Keep(number, number);

    /// <summary>Returns a cached scalar.</summary>
    public static Scalar Constant(float number) => Find(number) ?? Keep(number, number);

    /// <summary>Returns a cached scalar.</summary>
    public static Scalar Constant(long number) => Find(number) ?? Keep(number, number);

    /// <summary>Returns a cached scalar.</summary>
    public static Scalar Constant(int number) => Find(number) ?? Keep(number, number);

    /// <summary>Returns a cached scalar.</summary>
    public static Scalar Constant(bool value) => Find(value) ?? Keep(value, value);

    private static Scalar? Find(ValueType number) => Known.GetValueOrDefault(number);

    private static Scalar Keep(ValueType number, Scalar made)
    {
        if (Known.Count < Constants) return Known.GetOrAdd(number, made);
        Latest[(uint)Interlocked.Increment(ref count) % Others] = made;
        return made;
    }
}
