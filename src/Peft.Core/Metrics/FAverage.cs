namespace Peft;

/// <summary>Averaging of scores over classes.</summary>
public enum FAverage
{
    /// <summary>Unweighted mean over classes.</summary>
    Macro,

    /// <summary>Score over the counts of all classes together; for single-label classification this is the accuracy.</summary>
    Micro,

    /// <summary>Mean over classes, weighted by their numbers of expected occurrences (support).</summary>
    Weighted,

    /// <summary>Score of class 1, for classes 0 and 1.</summary>
    Binary,
}
