using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>e^x and 2^x of vectors.</summary>
/// <remarks>
/// x·log₂e = n + f with |f| ≤ ½, 2^f by the polynomial of degree 6 with the smallest maximum relative error (2·10⁻⁹, found by the
/// Remez exchange algorithm), and n added to the exponent bits: a float of magnitude 1.5·2²³ has its integer part in its lowest bits. NaN stays NaN, since
/// x86 takes the second operand of a minimum or maximum if one is NaN.
/// </remarks>
internal static class Exponential
{
    private const float Lowest = -87.33654f;   // below, e^x is not a normal float32
    private const float LowestPower = -126;    // below, 2^x is not
    private const float Rounder = 12582912;
    private const float C1 = 6.931472057e-1f, C2 = 2.402264689e-1f, C3 = 5.550328777e-2f, C4 = 9.618488957e-3f, C5 = 1.339993122e-3f, C6 = 1.5345812e-4f;   // coefficients of the polynomial

    /// <summary>Computes e^x for x ≤ 88, to 2 units in the last place; below −87.3 (and for −∞) the smallest normal value, 1.2·10⁻³⁸.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Of(Vector256<float> x)
    {
        x = Vector256.MaxNative(Vector256.Create(Lowest), x);
        var rounder = Vector256.Create(Rounder);
        var shifted = Vector256.FusedMultiplyAdd(x, Vector256.Create(1.44269502f), rounder);
        // log₂e in two parts, so that x·log₂e loses no precision.
        var f = Vector256.FusedMultiplyAdd(x, Vector256.Create(1.44269502f), rounder - shifted);
        f = Vector256.FusedMultiplyAdd(x, Vector256.Create(1.92596299e-8f), f);
        return Power(shifted, f);
    }

    /// <summary>
    /// Computes 2^x for x &lt; 127, to 2 units in the last place; 0 up to −126 (and for −∞). There, products with other values would not be normal: such an operation takes about 140 cycles on
    /// Intel's processors.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> OfTwo(Vector256<float> x)
    {
        var zero = Vector256.LessThanOrEqual(x, Vector256.Create(LowestPower));   // not so for NaN
        var shifted = x + Vector256.Create(Rounder);
        return Vector256.AndNot(Power(shifted, x - (shifted - Vector256.Create(Rounder))), zero);
    }

    /// <inheritdoc cref="OfTwo(Vector256{float})"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> OfTwo(Vector512<float> x)
    {
        var zero = Vector512.LessThanOrEqual(x, Vector512.Create(LowestPower));   // not so for NaN
        var shifted = x + Vector512.Create(Rounder);
        var f = x - (shifted - Vector512.Create(Rounder));
        var p = Vector512.FusedMultiplyAdd(Vector512.Create(C6), f, Vector512.Create(C5));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(C4));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(C3));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(C2));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512.Create(C1));
        p = Vector512.FusedMultiplyAdd(p, f, Vector512<float>.One);
        return Vector512.ConditionalSelect(zero, Vector512<float>.Zero, (p.AsInt32() + (shifted.AsInt32() << 23)).AsSingle());
    }

    /// <summary>e^x likewise, but 0 where <see cref="Of"/> is the smallest normal value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> OrZero(Vector256<float> x) => Vector256.AndNot(Of(x), Vector256.LessThanOrEqual(x, Vector256.Create(Lowest)));

    /// <summary>1 / (1 + e^−x).</summary>
    // float32 overflows above e^88.7.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Sigmoid(Vector256<float> x)
        => Vector256<float>.One / (Vector256<float>.One + Of(Vector256.MinNative(Vector256.Create(88f), -x)));

    // 2^(n + f), where the lowest bits of shifted are n.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Power(Vector256<float> shifted, Vector256<float> f)
    {
        var p = Vector256.FusedMultiplyAdd(Vector256.Create(C6), f, Vector256.Create(C5));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(C4));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(C3));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(C2));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256.Create(C1));
        p = Vector256.FusedMultiplyAdd(p, f, Vector256<float>.One);
        return (p.AsInt32() + (shifted.AsInt32() << 23)).AsSingle();
    }
}
