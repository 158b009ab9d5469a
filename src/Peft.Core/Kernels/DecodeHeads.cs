namespace Peft.Kernels;

/// <summary>Queries, keys and values of a decode step's new position, wherever the projections have put them.</summary>
/// <param name="queries">The first row's first query.</param>
/// <param name="keys">The first row's first key.</param>
/// <param name="values">The first row's first value.</param>
/// <param name="queryRow">Distance of the queries of two rows.</param>
/// <param name="keyRow">Distance of the keys, and of the values, of two rows.</param>
/// <param name="head">Distance of two heads.</param>
internal readonly unsafe struct DecodeHeads(float* queries, float* keys, float* values, int queryRow, int keyRow, int head)
{
    /// <summary>The first row's first query.</summary>
    public float* Queries => queries;

    /// <summary>The first row's first key.</summary>
    public float* Keys => keys;

    /// <summary>The first row's first value.</summary>
    public float* Values => values;

    /// <summary>Distance of the queries of two rows.</summary>
    public int QueryRow => queryRow;

    /// <summary>Distance of the keys, and of the values, of two rows.</summary>
    public int KeyRow => keyRow;

    /// <summary>Distance of two heads.</summary>
    public int Head => head;
}
