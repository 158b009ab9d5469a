namespace Peft;

/// <summary>Settings of the training of a reward model. The defaults are TRL's.</summary>
public sealed record RewardOptions
{
    /// <summary>Weight of the mean of (r_chosen + r_rejected)², which keeps rewards near 0 (arXiv:2312.09244); null for none, the default. 0.01 is usual.</summary>
    public double? CenterRewardsCoefficient { get; init; }

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors()
    {
        if (CenterRewardsCoefficient is { } weight && !(weight >= 0 && double.IsFinite(weight))) yield return $"CenterRewardsCoefficient must be 0 or above, but was {weight}.";
    }
}
