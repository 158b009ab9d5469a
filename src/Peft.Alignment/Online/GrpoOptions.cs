namespace Peft;

/// <summary>Settings of <see cref="GrpoObjective"/>. The defaults are TRL's.</summary>
public sealed record GrpoOptions
{
    /// <summary>The loss. DAPO by default.</summary>
    public GrpoLoss Loss { get; init; } = GrpoLoss.Dapo;

    /// <summary>β: weight of the KL divergence from the reference. 0 (no reference) by default.</summary>
    public double Beta { get; init; }

    /// <summary>ε: ratios below 1 − ε are clipped. 0.2 by default.</summary>
    public double Epsilon { get; init; } = 0.2;

    /// <summary>Ratios above 1 plus this are clipped; with <see cref="GrpoLoss.Cispo"/> the bound itself. ε if null.</summary>
    public double? EpsilonHigh { get; init; }

    /// <summary>Upper bound of the ratio also where the clip would not apply (two-sided clipping, arXiv:2505.07291); null for none.</summary>
    public double? Delta { get; init; }

    /// <summary>What has one ratio. Tokens by default.</summary>
    public ImportanceLevel ImportanceLevel { get; init; } = ImportanceLevel.Token;

    /// <summary>What advantages are divided by. The deviation of their group by default.</summary>
    public RewardScaling RewardScaling { get; init; } = RewardScaling.Group;

    /// <summary>How several rewards become one. By default their weighted sum is normalized.</summary>
    public RewardAggregation RewardAggregation { get; init; } = RewardAggregation.SumThenNormalize;

    /// <summary>True to leave completions that did not end out of the loss. False by default.</summary>
    public bool MaskTruncated { get; init; }

    /// <summary>Fraction of tokens, those of highest entropy, that the policy is trained on (arXiv:2506.01939). 1 by default.</summary>
    public double TopEntropyQuantile { get; init; } = 1;

    /// <summary>Weight of the mean entropy, which is added to what is maximized. 0 by default.</summary>
    public double EntropyCoefficient { get; init; }

    /// <summary>
    /// The mean entropy that the policy should keep (Skywork-OR1, arXiv:2505.22312): after a step with at most this entropy, <see cref="EntropyCoefficient"/> is raised by
    /// <see cref="EntropyCoefficientStep"/> and counts in the next step; after others it is lowered by as much and does not count. Null, the default, for a fixed coefficient.
    /// Choose it near the metric <c>entropy</c> of the first steps.
    /// </summary>
    public double? EntropyTarget { get; init; }

    /// <summary>Change of the coefficient after each step, with <see cref="EntropyTarget"/>. 0.005 by default.</summary>
    public double EntropyCoefficientStep { get; init; } = 0.005;

    /// <summary>Range of the coefficient, with <see cref="EntropyTarget"/>. (0, 1) by default.</summary>
    public (double Min, double Max) EntropyCoefficientRange { get; init; } = (0, 1);

    /// <summary>Completions of negative advantage are left out if the mean of log p at generation − log p now exceeds this (DeepSeek-V3.2, arXiv:2512.02556); null for none.</summary>
    public double? OffPolicyThreshold { get; init; }

    /// <summary>True to multiply the KL divergence by the ratio, which makes its gradient unbiased (arXiv:2512.02556). False by default.</summary>
    public bool BiasCorrectKl { get; init; }

    /// <summary>τ of <see cref="GrpoLoss.Sapo"/> where the advantage is above 0. 1 by default.</summary>
    public double SapoTemperaturePositive { get; init; } = 1;

    /// <summary>τ of <see cref="GrpoLoss.Sapo"/> elsewhere. 1.05 by default.</summary>
    public double SapoTemperatureNegative { get; init; } = 1.05;

    /// <summary>Exponent k and decay λ of <see cref="GrpoLoss.Vespo"/> where the advantage is not negative. (2, 3) by default.</summary>
    public (double K, double Lambda) VespoPositive { get; init; } = (2, 3);

    /// <summary>Exponent k and decay λ of <see cref="GrpoLoss.Vespo"/> elsewhere. (3, 2) by default.</summary>
    public (double K, double Lambda) VespoNegative { get; init; } = (3, 2);

    /// <summary>Correction for completions of another sampler.</summary>
    public SamplerCorrection SamplerCorrection { get; init; } = SamplerCorrection.SequenceMask;

    /// <summary>Lower bound of the sampler's ratio; null for none.</summary>
    public double? SamplerRatioMin { get; init; }

    /// <summary>Upper bound of the sampler's ratio; null for none. 3 by default.</summary>
    public double? SamplerRatioMax { get; init; } = 3;

    /// <summary>The upper ε, or bound.</summary>
    internal double High => EpsilonHigh ?? Epsilon;

    /// <summary>True if the loss divides by the tokens of all completions that were generated together.</summary>
    internal bool DividesByAllTokens => Loss is GrpoLoss.Dapo or GrpoLoss.Cispo or GrpoLoss.Vespo;

    /// <summary>True if the entropy is a term of the loss.</summary>
    internal bool HasEntropyTerm => EntropyCoefficient != 0 || EntropyTarget is not null;

    /// <summary>True if the loss of a batch is the mean of the losses of its rows.</summary>
    internal bool IsMeanOverRows => TopEntropyQuantile == 1 && (!HasEntropyTerm || DividesByAllTokens);

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors()
    {
        if (!(Beta >= 0 && double.IsFinite(Beta))) yield return $"Beta must be 0 or more, but was {Beta}.";
        if (!(Epsilon >= 0 && double.IsFinite(Epsilon))) yield return $"Epsilon must be 0 or more, but was {Epsilon}.";
        if (EpsilonHigh is { } high && !(high >= 0 && double.IsFinite(high))) yield return $"EpsilonHigh must be 0 or more, but was {high}.";
        if (Loss == GrpoLoss.Cispo && !(High >= 1)) yield return $"With the loss Cispo, EpsilonHigh is the bound of the ratio itself and must be 1 or more, such as 5, but was {High}.";
        if (Delta is { } delta && !(delta > 1 + High)) yield return $"Delta must be above 1 + EpsilonHigh ({1 + High}), but was {delta}.";
        if (Loss == GrpoLoss.Luspo && ImportanceLevel != ImportanceLevel.Sequence) yield return "The loss Luspo weights whole completions: set ImportanceLevel to Sequence.";
        if (TopEntropyQuantile is not (> 0 and <= 1)) yield return $"TopEntropyQuantile must be in (0, 1], but was {TopEntropyQuantile}.";
        if (!double.IsFinite(EntropyCoefficient)) yield return $"EntropyCoefficient must be finite, but was {EntropyCoefficient}.";
        if (Loss == GrpoLoss.Gmpo && HasEntropyTerm) yield return "The loss Gmpo has no entropy term: set EntropyCoefficient to 0, and no EntropyTarget.";
        if (EntropyTarget is { } target && !(target >= 0 && double.IsFinite(target))) yield return $"EntropyTarget must be 0 or more, but was {target}.";
        if (!(EntropyCoefficientStep >= 0 && double.IsFinite(EntropyCoefficientStep))) yield return $"EntropyCoefficientStep must be 0 or more, but was {EntropyCoefficientStep}.";
        if (!(EntropyCoefficientRange.Min <= EntropyCoefficientRange.Max)) yield return $"EntropyCoefficientRange must be a minimum and a maximum, but was {EntropyCoefficientRange.Min} and {EntropyCoefficientRange.Max}.";
        if (OffPolicyThreshold is { } threshold && !double.IsFinite(threshold)) yield return $"OffPolicyThreshold must be finite, but was {threshold}.";
        if (!(SapoTemperaturePositive > 0 && SapoTemperatureNegative > 0)) yield return $"The temperatures of Sapo must be above 0, but were {SapoTemperaturePositive} and {SapoTemperatureNegative}.";
        if (SamplerRatioMin is { } least && SamplerRatioMax is { } most && !(least < most)) yield return $"SamplerRatioMin must be below SamplerRatioMax, but they were {least} and {most}.";
    }
}
