using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// YaRN (Peng et al. 2023, arXiv:2309.00071): frequencies with many rotations within the original positions are unchanged; those with few
/// are divided by the factor, with a linear ramp over the dimensions in between.
/// </summary>
/// <param name="Factor">The factor, at least 1.</param>
/// <param name="OriginalPositions">Number of positions in pretraining: <c>original_max_position_embeddings</c>.</param>
public sealed record YarnScaling(double Factor, int OriginalPositions) : RotaryScaling
{
    /// <summary>Minimum number of rotations within the original positions of frequencies that are unchanged.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>Maximum number of rotations within the original positions of frequencies that are divided by the factor.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>True to round the ends of the ramp to whole dimensions.</summary>
    public bool Truncate { get; init; } = true;

    /// <summary>An explicit attention factor; null to derive it from the other settings.</summary>
    public double? GivenAttentionFactor { get; init; }

    /// <summary>Weight of the logarithm in the attention factor. Used only together with <see cref="ScaleAllDimensions"/>.</summary>
    public double? Scale { get; init; }

    /// <summary>Weight of the logarithm in the divisor of the attention factor.</summary>
    public double? ScaleAllDimensions { get; init; }

    /// <inheritdoc/>
    /// <remarks>0.1·ln(factor) + 1 unless set explicitly.</remarks>
    public override double AttentionFactor => GivenAttentionFactor
        ?? (Scale is { } scale && scale != 0 && ScaleAllDimensions is { } all && all != 0 ? Growth(scale) / Growth(all) : Growth(1));

    internal override Tensor Frequencies(double theta, Tensor exponents, long length)
    {
        var half = exponents.size(0);
        var (low, high) = (Dimension(BetaFast, theta, 2 * half), Dimension(BetaSlow, theta, 2 * half));
        if (Truncate) (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(low, 0), Math.Min(high, (2 * half) - 1));
        if (low == high) high += 0.001;   // as in the reference implementation, to avoid a division by zero
        var wavelengths = Power(theta, exponents);
        var slowed = arange(Constant(0), Constant(half), One, ScalarType.Float32, exponents.device).sub(Constant(low)).div(Constant(high - low)).clamp(Constant(0), Constant(1));
        return wavelengths.mul(Constant(Factor)).reciprocal().mul(slowed).add(wavelengths.reciprocal().mul(slowed.neg().add(Constant(1), One)), One);
    }

    // The dimension whose frequency has that many rotations within the original positions.
    private double Dimension(double rotations, double theta, double rotated) => rotated * Math.Log(OriginalPositions / (rotations * 2 * Math.PI)) / (2 * Math.Log(theta));

    private double Growth(double weight) => Factor <= 1 ? 1 : (0.1 * weight * Math.Log(Factor)) + 1;
}
