namespace Peft;

/// <summary>How several LoRA adapters become one.</summary>
/// <remarks>
/// The kinds without <c>Svd</c> work on the factors A and B apart and need equal ranks (<see cref="Cat"/> does not); those with it work
/// on the updates B·A themselves, and cut the result to a rank. Random kinds draw from torch's generator: seed it.
/// </remarks>
public enum Combination
{
    /// <summary>The weighted sum of the factors.</summary>
    Linear,

    /// <summary>The factors side by side: exactly the weighted sum of the updates, in the sum of the ranks.</summary>
    Cat,

    /// <summary>The weighted sum of the updates.</summary>
    Svd,

    /// <summary>TIES (Yadav et al. 2023, arXiv:2306.01708): small numbers go, then those against the majority's sign.</summary>
    Ties,

    /// <summary><see cref="Ties"/> on the updates.</summary>
    TiesSvd,

    /// <summary>DARE (Yu et al. 2023, arXiv:2311.03099): numbers are dropped at random, the others grow to make up for it.</summary>
    DareLinear,

    /// <summary><see cref="DareLinear"/> on the updates.</summary>
    DareLinearSvd,

    /// <summary>DARE's dropping, then TIES's majority.</summary>
    DareTies,

    /// <summary><see cref="DareTies"/> on the updates.</summary>
    DareTiesSvd,

    /// <summary>Small numbers go.</summary>
    MagnitudePrune,

    /// <summary><see cref="MagnitudePrune"/> on the updates.</summary>
    MagnitudePruneSvd,
}

/// <summary>Settings of a <see cref="Combination"/>.</summary>
public sealed record CombinationOptions
{
    /// <summary>The kind.</summary>
    public Combination Kind { get; init; } = Combination.Svd;

    /// <summary>Share of the numbers that pruning keeps, above 0 and at most 1. The pruning kinds need it.</summary>
    public double? Density { get; init; }

    /// <summary>Whether the majority's sign is that of the sum (the default) or of most adapters.</summary>
    public bool MajorityByCount { get; init; }

    /// <summary>Rank of the result of the <c>Svd</c> kinds; the largest of the adapters' if null.</summary>
    public int? Rank { get; init; }

    /// <summary>Quantile (0 to 1) at which numbers of the decomposed factors are cut off; null for no cut.</summary>
    public double? Clamp { get; init; }

    internal bool OnUpdates => Kind is Combination.Svd or Combination.TiesSvd or Combination.DareLinearSvd or Combination.DareTiesSvd or Combination.MagnitudePruneSvd;

    internal bool Prunes => Kind is not (Combination.Linear or Combination.Cat or Combination.Svd);

    internal void Validate()
    {
        var errors = new List<string>();
        if (Prunes && Density is null) errors.Add($"Kind {Kind} needs a Density.");
        if (Density is { } density && !(density is > 0 and <= 1)) errors.Add($"Density must be above 0 and at most 1, but was {density}.");
        if (Rank is < 1) errors.Add($"Rank must be at least 1, but was {Rank}.");
        if (Rank is not null && !OnUpdates) errors.Add($"Rank has a meaning for the Svd kinds only, but Kind is {Kind}.");
        if (Clamp is { } clamp && !(clamp is >= 0 and <= 1)) errors.Add($"Clamp must lie between 0 and 1, but was {clamp}.");
        if (errors.Count > 0) throw new AdapterOptionsException($"{nameof(CombinationOptions)}: {string.Join(" ", errors)}");
    }
}
