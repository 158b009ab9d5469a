namespace Peft.Models;

/// <summary>How query, key and value are projected.</summary>
public enum ProjectionLayout
{
    /// <summary>Three projections.</summary>
    Separate,

    /// <summary>One projection: all queries, then all keys, then all values.</summary>
    Joined,

    /// <summary>One projection: per head its query, key and value (GPT-NeoX).</summary>
    JoinedPerHead,
}
