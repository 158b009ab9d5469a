namespace Peft;

/// <summary>Settings of a <see cref="Combination"/>.</summary>
public sealed record CombinationOptions
{
    /// <summary>The method of combining.</summary>
    public Combination Kind { get; init; } = Combination.Svd;

    /// <summary>Fraction of the elements that pruning keeps, in (0, 1]. Required for the kinds that prune.</summary>
    public double? Density { get; init; }

    /// <summary>True if most adapters decide the majority sign; false (the default) if the sign of the sum does.</summary>
    public bool MajorityByCount { get; init; }

    /// <summary>Rank of the result of the <c>Svd</c> kinds. If null, the largest rank among the adapters.</summary>
    public int? Rank { get; init; }

    /// <summary>Quantile in [0, 1] of the SVD factors' elements to which these are clamped; null for no clamping.</summary>
    public double? Clamp { get; init; }

    internal bool OnUpdates => Kind is Combination.Svd or Combination.TiesSvd or Combination.DareLinearSvd or Combination.DareTiesSvd or Combination.MagnitudePruneSvd;

    internal bool Prunes => Kind is not (Combination.Linear or Combination.Cat or Combination.Svd);

    internal void Validate()
    {
        var errors = new List<string>();
        if (Prunes && Density is null) errors.Add($"Kind {Kind} needs a Density.");
        if (Density is { } density && !(density is > 0 and <= 1)) errors.Add($"Density must be above 0 and at most 1, but was {density}.");
        if (Rank is < 1) errors.Add($"Rank must be at least 1, but was {Rank}.");
        if (Rank is not null && !OnUpdates) errors.Add($"Rank applies to the Svd kinds only, but Kind is {Kind}.");
        if (Clamp is { } clamp && !(clamp is >= 0 and <= 1)) errors.Add($"Clamp must be between 0 and 1, but was {clamp}.");
        if (errors.Count > 0) throw new AdapterOptionsException($"{nameof(CombinationOptions)}: {string.Join(" ", errors)}");
    }
}
