namespace Peft;

/// <summary>Base of the options of weight-update methods, which add an update to the weight matrix of each target.</summary>
public abstract record WeightUpdateOptions : TargetedOptions
{
    private protected WeightUpdateOptions(string peftType) : base(peftType) { }

    protected override bool WritesFanInFanOut => true;

    /// <summary>Validation errors of the numeric options that many methods have.</summary>
    private protected static IEnumerable<string> NumberErrors(int rank, double dropout = 0, IReadOnlyDictionary<string, int>? rankPattern = null, double alpha = 1)
    {
        if (rank < 1) yield return $"Rank must be at least 1, but was {rank}.";
        if (rankPattern?.FirstOrDefault(pair => pair.Value < 1) is { Key: not null } pair) yield return $"RankPattern['{pair.Key}'] must be at least 1, but was {pair.Value}.";
        if (!(dropout is >= 0 and < 1)) yield return $"Dropout must be at least 0 and below 1, but was {dropout}.";
        if (!double.IsFinite(alpha)) yield return $"Alpha must be a number, but was {alpha}.";
    }
}
