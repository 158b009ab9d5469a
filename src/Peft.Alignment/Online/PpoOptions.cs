namespace Peft;

/// <summary>Settings of <see cref="PpoObjective"/>. The defaults are TRL's. TRL also makes 4 <see cref="RolloutOptions.Iterations"/>, at a temperature of 0.7, with completions of 53 tokens: for the same, set them in <see cref="RolloutOptions"/>.</summary>
public sealed record PpoOptions
{
    /// <summary>Weight of the divergence from the reference, which is subtracted from the reward of each token. 0.05 by default.</summary>
    public double KlCoefficient { get; init; } = 0.05;

    /// <summary>How the divergence is estimated. K1 by default.</summary>
    public KlEstimator KlEstimator { get; init; } = KlEstimator.K1;

    /// <summary>The divergence per completion to which <see cref="KlCoefficient"/> is adapted (Ziegler et al. 2019, arXiv:1909.08593); null to keep it fixed.</summary>
    public double? KlTarget { get; init; }

    /// <summary>Number of completions over which the coefficient adapts. 10,000 by default.</summary>
    public double KlHorizon { get; init; } = 10_000;

    /// <summary>Ratios are clipped to 1 ± this. 0.2 by default.</summary>
    public double ClipRange { get; init; } = 0.2;

    /// <summary>Values are clipped to those at generation ± this. 0.2 by default.</summary>
    public double ValueClipRange { get; init; } = 0.2;

    /// <summary>Weight of the loss of the values. 0.1 by default.</summary>
    public double ValueCoefficient { get; init; } = 0.1;

    /// <summary>γ: discount of later rewards. 1 by default.</summary>
    public double Gamma { get; init; } = 1;

    /// <summary>λ of generalized advantage estimation (arXiv:1506.02438). 0.95 by default.</summary>
    public double Lambda { get; init; } = 0.95;

    /// <summary>True to divide rewards by their standard deviation. False by default.</summary>
    public bool WhitenRewards { get; init; }

    /// <summary>Subtracted from the score of completions without an end token; null for nothing.</summary>
    public double? MissingEosPenalty { get; init; }

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors()
    {
        if (!(KlCoefficient >= 0 && double.IsFinite(KlCoefficient))) yield return $"KlCoefficient must be 0 or more, but was {KlCoefficient}.";
        if (KlTarget is { } target && !(target > 0)) yield return $"KlTarget must be above 0, but was {target}.";
        if (!(KlHorizon > 0)) yield return $"KlHorizon must be above 0, but was {KlHorizon}.";
        if (!(ClipRange > 0 && ValueClipRange > 0)) yield return $"ClipRange and ValueClipRange must be above 0, but were {ClipRange} and {ValueClipRange}.";
        if (!(ValueCoefficient >= 0 && double.IsFinite(ValueCoefficient))) yield return $"ValueCoefficient must be 0 or more, but was {ValueCoefficient}.";
        if (Gamma is not (>= 0 and <= 1) || Lambda is not (>= 0 and <= 1)) yield return $"Gamma and Lambda must be in [0, 1], but were {Gamma} and {Lambda}.";
        if (MissingEosPenalty is { } penalty && !double.IsFinite(penalty)) yield return $"MissingEosPenalty must be finite, but was {penalty}.";
    }
}
