using System.Collections.Concurrent;
using TorchSharp;

namespace Peft;

#pragma warning disable RS0030 // the one place where they are made

/// <summary>
/// Numbers as operands of tensors. TorchSharp makes a native object of each, and reads its address; the garbage collector may then free the object on another
/// thread while the operation still uses it. The objects that are given out here live on: layers, whose passes run on many threads, take their numbers from here.
/// </summary>
public static class Scalars
{
    // Most numbers are constants of the code. Of others the last ones are kept, for much longer than an operation takes.
    private const int Constants = 4096, Others = 1 << 16;

    private static readonly ConcurrentDictionary<ValueType, Scalar> Known = [];
    private static readonly Scalar[] Latest = new Scalar[Others];
    private static int count;

    /// <summary>The factor of a sum: <c>a.add(b, One)</c>. Without it TorchSharp makes one for each call, which nothing keeps.</summary>
    public static Scalar One { get; } = Kept(1);

    /// <summary>A number that lives on.</summary>
    public static Scalar Kept(double number) => Find(number) ?? Keep(number, number);

    /// <summary>A number that lives on.</summary>
    public static Scalar Kept(float number) => Find(number) ?? Keep(number, number);

    /// <summary>A number that lives on.</summary>
    public static Scalar Kept(long number) => Find(number) ?? Keep(number, number);

    /// <summary>A number that lives on.</summary>
    public static Scalar Kept(int number) => Find(number) ?? Keep(number, number);

    /// <summary>A number that lives on.</summary>
    public static Scalar Kept(bool value) => Find(value) ?? Keep(value, value);

    private static Scalar? Find(ValueType number) => Known.GetValueOrDefault(number);

    private static Scalar Keep(ValueType number, Scalar made)
    {
        if (Known.Count < Constants) return Known.GetOrAdd(number, made);
        Latest[(uint)Interlocked.Increment(ref count) % Others] = made;
        return made;
    }
}
