namespace Peft.Models;

/// <summary>
/// Disentangled attention (DeBERTa; He et al. 2020, arXiv:2006.03654): the scores have terms of the content with the embedding of the relative position. Distances share buckets that widen
/// logarithmically.
/// </summary>
/// <param name="Span">Half the number of rows of the table of relative positions; 0 for none, without either term.</param>
/// <param name="MaxDistance">The largest distance that buckets tell apart.</param>
public sealed record DisentangledPositions(int Span, int MaxDistance)
{
    /// <summary>True if distances share buckets.</summary>
    public bool Buckets { get; init; }

    /// <summary>True for the term of the query's content and the key's position.</summary>
    public bool ContentToPosition { get; init; } = true;

    /// <summary>True for the term of the key's content and the query's position.</summary>
    public bool PositionToContent { get; init; } = true;

    /// <summary>True if positions are projected like contents; false if they have projections of their own.</summary>
    public bool SharesProjections { get; init; } = true;

    /// <summary>True if the table is normalized.</summary>
    public bool IsNormalized { get; init; }

    /// <summary>Dropout probability of the table.</summary>
    public double Dropout { get; init; }
}
