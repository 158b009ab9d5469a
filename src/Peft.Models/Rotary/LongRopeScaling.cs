using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// LongRoPE (Ding et al. 2024, arXiv:2402.13753), as in Phi-3: each frequency is divided by a factor of its own, from one list for texts within the
/// original positions and from another for longer ones.
/// </summary>
/// <remarks>Generation reads the whole text again when it grows beyond the original positions, since the cached keys are turned by the other list.</remarks>
/// <param name="ShortFactors">A factor per pair of rotating dimensions, for texts within the original positions.</param>
/// <param name="LongFactors">The same for longer texts.</param>
/// <param name="OriginalPositions">Positions of the first training: <c>original_max_position_embeddings</c>.</param>
/// <param name="Growth">How many times as many positions there are now.</param>
public sealed record LongRopeScaling(IReadOnlyList<double> ShortFactors, IReadOnlyList<double> LongFactors, int OriginalPositions, double Growth) : RotaryScaling
{
    /// <summary>The attention factor itself; null if it follows from the growth.</summary>
    public double? GivenAttentionFactor { get; init; }

    /// <inheritdoc/>
    /// <remarks>√(1 + ln(growth) / ln(original positions)) if nothing else is said, 1 where there is no growth.</remarks>
    public override double AttentionFactor => GivenAttentionFactor ?? (Growth <= 1 ? 1 : Math.Sqrt(1 + (Math.Log(Growth) / Math.Log(OriginalPositions))));

    internal override Tensor Frequencies(double theta, Tensor exponents, long length)
    {
        var factors = length > OriginalPositions ? LongFactors : ShortFactors;
        return tensor(factors.Select(factor => (float)factor).ToArray(), device: exponents.device).mul(Power(theta, exponents)).reciprocal();
    }

    internal override long Regime(long length, long before) => Math.Min(length, OriginalPositions + 1L) / (OriginalPositions + 1L) * (OriginalPositions + 1L);

    internal override string? Misfit(int rotated) => Misfit("short_factor", ShortFactors, rotated) ?? Misfit("long_factor", LongFactors, rotated);

    private static string? Misfit(string name, IReadOnlyList<double> factors, int rotated) => factors.Count == rotated / 2 ? null
        : $"{name} has {factors.Count} numbers, but {rotated / 2} pairs of dimensions rotate: it needs one for each.";
}
