namespace Peft;

/// <summary>Method of combining several LoRA adapters into one.</summary>
/// <remarks>
/// Kinds without <c>Svd</c> combine the factors A and B separately and need equal ranks (except <see cref="Cat"/>). Kinds with <c>Svd</c>
/// combine the updates B·A and truncate the result to a rank. Random kinds draw from torch's random generator: seed it for reproducible results.
/// </remarks>
public enum Combination
{
    /// <summary>The weighted sum of the factors.</summary>
    Linear,

    /// <summary>Concatenated factors: exactly the weighted sum of the updates. The rank is the sum of the ranks.</summary>
    Cat,

    /// <summary>The weighted sum of the updates.</summary>
    Svd,

    /// <summary>
    /// TIES (Yadav et al. 2023, arXiv:2306.01708): prunes elements of small magnitude, then drops those whose sign differs from the majority's.
    /// </summary>
    Ties,

    /// <summary><see cref="Ties"/> applied to the updates.</summary>
    TiesSvd,

    /// <summary>DARE (Yu et al. 2023, arXiv:2311.03099): drops random elements and rescales the remaining ones.</summary>
    DareLinear,

    /// <summary><see cref="DareLinear"/> applied to the updates.</summary>
    DareLinearSvd,

    /// <summary>DARE's random pruning, then the majority sign of TIES.</summary>
    DareTies,

    /// <summary><see cref="DareTies"/> applied to the updates.</summary>
    DareTiesSvd,

    /// <summary>Weighted sum of the factors after pruning elements of small magnitude.</summary>
    MagnitudePrune,

    /// <summary><see cref="MagnitudePrune"/> applied to the updates.</summary>
    MagnitudePruneSvd,
}
