using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>e^x of eight numbers at once.</summary>
internal static class Exponential
{
    private const float Lowest = -87.3f;   // below, e^x is no normal float32

    /// <summary>e^x for x ≤ 88, to 2 units in the last place; 0 below −87.3 (and for −∞).</summary>
    /// <remarks>
    /// x = n·ln 2 + r with |r| ≤ ln 2 / 2, e^r by the polynomial of Cephes' expf (Moshier 1992), and n added to the exponent's bits:
    /// a number of size 1.5·2²³ has its integer part in its lowest bits.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Of(Vector256<float> x)
    {
        var seen = Vector256.GreaterThanOrEqual(x, Vector256.Create(Lowest));
        var rounder = Vector256.Create(12582912f);
        var shifted = Vector256.FusedMultiplyAdd(x, Vector256.Create(1.44269504f), rounder);
        var n = shifted - rounder;
        // ln 2 in two parts, so that n·ln 2 loses nothing.
        var r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-0.693359375f), x);
        r = Vector256.FusedMultiplyAdd(n, Vector256.Create(2.12194440e-4f), r);
        var p = Vector256.FusedMultiplyAdd(Vector256.Create(1.9875691500e-4f), r, Vector256.Create(1.3981999507e-3f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(8.3334519073e-3f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(4.1665795894e-2f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.6666665459e-1f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(5.0000001201e-1f));
        p = Vector256.FusedMultiplyAdd(p, r * r, r + Vector256<float>.One);
        var power = p.AsInt32() + (shifted.AsInt32() << 23);
        return Vector256.BitwiseAnd(power.AsSingle(), seen);
    }
}
