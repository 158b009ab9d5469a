namespace Peft;

/// <summary>Averaging of scores over classes.</summary>
public enum FAverage
{
    /// <summary>Unweighted mean over classes.</summary>
    Macro,

    /// <summary>Score of all decisions counted together; for single-label classification this is the accuracy.</summary>
    Micro,

    /// <summary>Mean over classes, weighted by their counts of expected occurrences (support).</summary>
    Weighted,

    /// <summary>Score of class 1, for classes 0 and 1.</summary>
    Binary,
}
