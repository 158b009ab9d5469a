using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>e^x of a vector of eight values.</summary>
internal static class Exponential
{
    private const float Lowest = -87.33654f;   // below, e^x is not a normal float32

    /// <summary>Computes e^x for x ≤ 88, to 2 units in the last place; below −87.3 (and for −∞) the smallest normal value, 1.2·10⁻³⁸.</summary>
    /// <remarks>
    /// x·log₂e = n + f with |f| ≤ ½, 2^f by the polynomial of degree 6 with the smallest maximum relative error (2·10⁻⁹, found by the
    /// Remez exchange algorithm), and n added to the exponent bits: a float of magnitude 1.5·2²³ has its integer part in its lowest bits.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Of(Vector256<float> x)
    {
        x = Vector256.MaxNative(x, Vector256.Create(Lowest));
        var rounder = Vector256.Create(12582912f);
        var shifted = Vector256.FusedMultiplyAdd(x, Vector256.Create(1.44269502f), rounder);
        // log₂e in two parts, so that x·log₂e loses no precision.
        var f = Vector256.FusedMultiplyAdd(x, Vector256.Create(1.44269502f), rounder - shifted);
        f = Vector256.FusedMultiplyAdd(x, Vector256.Create(1.92596299e-8f), f);
        var p = Vector256.FusedMultiplyAdd(Vector256.Create(1.5345812e-4f), f, Vector256.Create(1.339993122e-3f));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(9.618488957e-3f));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(5.550328777e-2f));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(2.402264689e-1f));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(6.931472057e-1f));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256<float>.One);
        return (p.AsInt32() + (shifted.AsInt32() << 23)).AsSingle();
    }

    /// <summary>e^x likewise, but 0 where <see cref="Of"/> is the smallest normal value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> OrZero(Vector256<float> x) => Of(x) & Vector256.GreaterThan(x, Vector256.Create(Lowest));

    /// <summary>1 / (1 + e^−x).</summary>
    // float32 overflows above e^88.7.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Sigmoid(Vector256<float> x)
        => Vector256<float>.One / (Vector256<float>.One + Of(Vector256.MinNative(-x, Vector256.Create(88f))));
}
