using System.Globalization;
using System.Numerics;

namespace Peft.Lora;

/// <summary>Daubechies wavelets (Daubechies 1988): orthogonal filters of 2N coefficients with N vanishing moments.</summary>
internal static class Wavelet
{
    /// <summary>Order N of a wavelet's name, <c>db1</c> to <c>db10</c> or <c>haar</c>; null for other names.</summary>
    public static int? Order(string? name)
        => name == "haar" ? 1
            : name?.StartsWith("db", StringComparison.Ordinal) == true && int.TryParse(name.AsSpan(2), NumberStyles.None, CultureInfo.InvariantCulture, out var order) && order is >= 1 and <= 10 ? order : null;

    /// <summary>The low-pass reconstruction filter, with a sum of √2.</summary>
    /// <remarks>
    /// |H|² is ((1+z)/2)^2N times a polynomial P((2 − z − 1/z)/4) with P(y) = Σ binomial(N−1+k, k)·yᵏ. Its roots in z come in pairs z, 1/z. The filter
    /// takes those inside the unit circle.
    /// </remarks>
    public static double[] LowPass(int order)
    {
        var p = new double[order];
        p[0] = 1;
        for (var k = 1; k < order; k++) p[k] = p[k - 1] * (order - 1 + k) / k;
        Complex[] filter = [1];
        for (var i = 0; i < order; i++) filter = Times(filter, -1);
        foreach (var y in Roots(p))
        {
            // y = (2 − z − 1/z)/4, so z² + (4y − 2)·z + 1 = 0.
            var half = 1 - 2 * y;
            var root = Complex.Sqrt(half * half - 1);
            filter = Times(filter, Complex.Abs(half + root) < 1 ? half + root : half - root);
        }
        var sum = filter.Aggregate(Complex.Zero, (a, b) => a + b).Real;
        return [.. filter.Select(coefficient => coefficient.Real * Math.Sqrt(2) / sum)];
    }

    /// <summary>The matching high-pass filter.</summary>
    public static double[] HighPass(double[] lowPass) => [.. lowPass.Reverse().Select((coefficient, i) => i % 2 == 0 ? coefficient : -coefficient)];

    // Multiplies a polynomial by (z − root). Coefficients are in descending order of powers.
    private static Complex[] Times(Complex[] polynomial, Complex root)
        => [.. polynomial.Append(0).Select((coefficient, i) => i == 0 ? coefficient : coefficient - root * polynomial[i - 1])];

    // All roots by Durand-Kerner iteration. Coefficients are in ascending order of powers.
    private static Complex[] Roots(double[] coefficients)
    {
        var degree = coefficients.Length - 1;
        Complex[] roots = [.. Enumerable.Range(0, degree).Select(i => Complex.Pow(new Complex(0.4, 0.9), i) / 2)];
        for (var round = 0; round < 500; round++)
            for (var i = 0; i < degree; i++)
            {
                var value = Complex.Zero;
                for (var k = degree; k >= 0; k--) value = value * roots[i] + coefficients[k] / coefficients[degree];
                var others = Complex.One;
                for (var j = 0; j < degree; j++)
                    if (j != i) others *= roots[i] - roots[j];
                roots[i] -= value / others;
            }
        return roots;
    }
}
