using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// YaRN (Peng et al. 2023, arXiv:2309.00071): frequencies that turn often within the original positions are kept, those that turn seldom
/// are divided by the factor, with a linear ramp over the dimensions between them.
/// </summary>
/// <param name="Factor">The factor, at least 1.</param>
/// <param name="OriginalPositions">Positions of the first training: <c>original_max_position_embeddings</c>.</param>
public sealed record YarnScaling(double Factor, int OriginalPositions) : RotaryScaling
{
    /// <summary>Turns within the original positions from which on a frequency is kept.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>Turns within the original positions up to which a frequency is divided by the factor.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>Whether the ends of the ramp are whole dimensions.</summary>
    public bool Truncate { get; init; } = true;

    /// <summary>The attention factor itself; null if it follows from the others.</summary>
    public double? GivenAttentionFactor { get; init; }

    /// <summary>Weight of the logarithm in the attention factor; counts together with <see cref="ScaleAllDimensions"/> only.</summary>
    public double? Scale { get; init; }

    /// <summary>Weight of the logarithm in the divisor of the attention factor.</summary>
    public double? ScaleAllDimensions { get; init; }

    /// <inheritdoc/>
    /// <remarks>0.1·ln(factor) + 1 if nothing else is said.</remarks>
    public override double AttentionFactor => GivenAttentionFactor
        ?? (Scale is { } scale && scale != 0 && ScaleAllDimensions is { } all && all != 0 ? Growth(scale) / Growth(all) : Growth(1));

    internal override Tensor Frequencies(double theta, Tensor exponents, long length)
    {
        var half = exponents.shape[0];
        var (low, high) = (Dimension(BetaFast, theta, 2 * half), Dimension(BetaSlow, theta, 2 * half));
        if (Truncate) (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(low, 0), Math.Min(high, (2 * half) - 1));
        if (low == high) high += 0.001;   // as the reference does: the ramp would divide by zero
        var wavelengths = Power(theta, exponents);
        var slowed = arange(Kept(0), Kept(half), One, ScalarType.Float32, exponents.device).sub(Kept(low)).div(Kept(high - low)).clamp(Kept(0), Kept(1));
        return wavelengths.mul(Kept(Factor)).reciprocal().mul(slowed).add(wavelengths.reciprocal().mul(slowed.neg().add(Kept(1), One)), One);
    }

    // The dimension whose frequency turns so many times within the original positions.
    private double Dimension(double turns, double theta, double rotated) => rotated * Math.Log(OriginalPositions / (turns * 2 * Math.PI)) / (2 * Math.Log(theta));

    private double Growth(double weight) => Factor <= 1 ? 1 : (0.1 * weight * Math.Log(Factor)) + 1;
}
