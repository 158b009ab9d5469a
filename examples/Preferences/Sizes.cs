namespace Preferences;

/// <summary>How much is done.</summary>
internal sealed record Sizes
{
    /// <summary>Solutions that supervised fine-tuning learns; null for all.</summary>
    public int? Solutions { get; init; }

    /// <summary>Pairs that the methods learn from; null for all.</summary>
    public int? Pairs { get; init; }

    /// <summary>Maximum number of tokens of a problem with a solution.</summary>
    public int Length { get; init; } = 400;

    /// <summary>Passes of supervised fine-tuning.</summary>
    public int TuningEpochs { get; init; } = 2;

    /// <summary>Passes of a preference method over the pairs.</summary>
    public int PreferenceEpochs { get; init; } = 2;

    /// <summary>Passes of a reward model.</summary>
    public int RewardEpochs { get; init; } = 2;

    /// <summary>Parts of the cross-validation of the reward model.</summary>
    public int Folds { get; init; } = 5;
}
