namespace Peft;

/// <summary>
/// Decides how large the micro-batches of a run may be so that the process stays below a bound on its memory. The first step runs in the smallest ones. From then on the memory per position that a step
/// took predicts what larger ones take, and sizes grow until the bound is near. A checkpoint holds the decision, so that a resumed run goes on with it.
/// </summary>
/// <remarks>A position is an element of <see cref="Batch.InputIds"/>, padding included. Sizes in positions hold for rows of any length.</remarks>
internal sealed class MemoryDivision
{
    private const int Growth = 2;        // predictions from smaller sizes are inexact: small steps also use memory that the allocator could not return
    private const double Share = 0.85;   // of the memory below the bound

    private bool warm;
    private long? floor;

    /// <summary>The bound in bytes: <see cref="TrainingOptions.MaxMemory"/>.</summary>
    public required long Bound { get; init; }

    /// <summary>Most positions of a micro-batch; null for the smallest micro-batches that are possible.</summary>
    public long? Positions { get; set; }

    /// <summary>True if the size only changes any more if it proves too large.</summary>
    public bool Settled { get; set; }

    /// <summary>Least number of micro-batches of a batch whose rows are of the same length.</summary>
    /// <param name="positions">Number of its positions.</param>
    /// <param name="rows">Number of its rows, at least 1.</param>
    public int Parts(long positions, int rows)
    {
        if (Positions is not { } most) return rows;
        var each = Math.Clamp((long)((Int128)most * rows / Math.Max(positions, 1)), 1, rows);
        return (int)((rows + each - 1) / each);
    }

    /// <summary>True if a micro-batch is small enough.</summary>
    public bool Fits(long positions) => positions <= Positions;

    /// <summary>Takes note of a step that stayed below the bound.</summary>
    /// <param name="before">Resident memory before its forward and backward passes, in bytes.</param>
    /// <param name="peak">The peak during them.</param>
    /// <param name="positions">Number of positions of its largest micro-batch.</param>
    /// <param name="whole">True if no batch was divided.</param>
    public void Stayed(long before, long peak, long positions, bool whole)
    {
        var first = !warm;
        warm = true;
        if (Settled || first) return;   // the first step also allocates what stays, such as the optimizer's state
        floor ??= before;
        var possible = (long)(Share * (Bound - floor.Value) / Math.Max(peak - floor.Value, 1) * positions);
        Settled = whole || possible <= Growth * positions;
        Positions = Math.Max(1, Math.Min(possible, Settled ? possible : Growth * positions));
    }

    /// <summary>Takes note of a step that passed the bound, or found no memory.</summary>
    /// <param name="positions">Number of positions of its largest micro-batch.</param>
    public void Passed(long positions)
    {
        Positions = Math.Max(1, positions / 2);
        Settled = true;
    }
}
