namespace Peft;

/// <summary>Settings of <see cref="RlooObjective"/>. The defaults are TRL's.</summary>
public sealed record RlooOptions
{
    /// <summary>β: weight of the log-ratio of policy and reference, which is subtracted from the reward. 0.05 by default; 0 for no reference.</summary>
    public double Beta { get; init; } = 0.05;

    /// <summary>ε: ratios of whole completions are clipped below 1 − ε. 0.2 by default.</summary>
    public double Epsilon { get; init; } = 0.2;

    /// <summary>Ratios above 1 plus this are clipped; ε if null.</summary>
    public double? EpsilonHigh { get; init; }

    /// <summary>True to normalize advantages over all completions of a step. False by default.</summary>
    public bool NormalizeAdvantages { get; init; }

    /// <summary>Range to which rewards are clipped; null for none.</summary>
    public (double Min, double Max)? RewardClipRange { get; init; }

    /// <summary>True to leave completions that did not end out of the loss. False by default.</summary>
    public bool MaskTruncated { get; init; }

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors()
    {
        if (!(Beta >= 0 && double.IsFinite(Beta))) yield return $"Beta must be 0 or more, but was {Beta}.";
        if (!(Epsilon >= 0 && double.IsFinite(Epsilon))) yield return $"Epsilon must be 0 or more, but was {Epsilon}.";
        if (EpsilonHigh is { } high && !(high >= 0 && double.IsFinite(high))) yield return $"EpsilonHigh must be 0 or more, but was {high}.";
        if (RewardClipRange is { } range && !(range.Min < range.Max)) yield return $"RewardClipRange must be a minimum below a maximum, but was {range.Min} and {range.Max}.";
    }
}
