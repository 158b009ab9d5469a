namespace Peft.Models;

/// <summary>The layout of the query, key and value projections.</summary>
public enum ProjectionLayout
{
    /// <summary>Three projections.</summary>
    Separate,

    /// <summary>One projection: all queries, then all keys, then all values.</summary>
    Joined,

    /// <summary>One projection: for each head its query, key and value (GPT-NeoX).</summary>
    JoinedPerHead,

    /// <summary>One projection: for each key/value head its queries, then its key and its value (Falcon).</summary>
    JoinedPerGroup,
}
