using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// LongRoPE (Ding et al. 2024, arXiv:2402.13753), as in Phi-3: each frequency is divided by its own factor, from one list for sequences within the
/// original positions and from another list for longer ones.
/// </summary>
/// <remarks>When a sequence grows beyond the original positions, generation processes it again, because the cached keys were rotated with the other factors.</remarks>
/// <param name="ShortFactors">One factor per pair of rotated dimensions, for sequences within the original positions.</param>
/// <param name="LongFactors">The same for longer sequences.</param>
/// <param name="OriginalPositions">Number of positions in pretraining: <c>original_max_position_embeddings</c>.</param>
/// <param name="Growth">Ratio of the current to the original number of positions.</param>
public sealed record LongRopeScaling(IReadOnlyList<double> ShortFactors, IReadOnlyList<double> LongFactors, int OriginalPositions, double Growth) : RotaryScaling
{
    /// <summary>An explicit attention factor; null to derive it from the growth.</summary>
    public double? GivenAttentionFactor { get; init; }

    /// <inheritdoc/>
    /// <remarks>√(1 + ln(growth) / ln(original positions)) unless set explicitly; 1 without growth.</remarks>
    public override double AttentionFactor => GivenAttentionFactor ?? (Growth <= 1 ? 1 : Math.Sqrt(1 + (Math.Log(Growth) / Math.Log(OriginalPositions))));

    internal override Tensor Frequencies(double theta, Tensor exponents, long length)
    {
        var factors = length > OriginalPositions ? LongFactors : ShortFactors;
        return tensor(factors.Select(factor => (float)factor).ToArray(), device: exponents.device).mul(Power(theta, exponents)).reciprocal();
    }

    internal override bool DependsOnLength => !ShortFactors.SequenceEqual(LongFactors);

    internal override long Regime(long length, long before) => !DependsOnLength ? 0 : Math.Min(length, OriginalPositions + 1L) / (OriginalPositions + 1L) * (OriginalPositions + 1L);

    internal override string? Misfit(int rotated) => Misfit("short_factor", ShortFactors, rotated) ?? Misfit("long_factor", LongFactors, rotated);

    private static string? Misfit(string name, IReadOnlyList<double> factors, int rotated) => factors.Count == rotated / 2 ? null
        : $"{name} has {factors.Count} factors, but {rotated / 2} pairs of dimensions are rotated: it needs one for each.";
}
