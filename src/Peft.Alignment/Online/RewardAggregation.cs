namespace Peft;

/// <summary>How several rewards of a completion become one advantage.</summary>
public enum RewardAggregation
{
    /// <summary>The weighted sum is normalized.</summary>
    SumThenNormalize,

    /// <summary>Each reward is normalized in its group, the weighted sum over all completions (GDPO, arXiv:2601.05242).</summary>
    NormalizeThenSum,
}
