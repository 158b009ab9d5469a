namespace Peft;

/// <summary>
/// Decides the size of a run's micro-batches, so that the process stays within a memory bound. The first step uses the smallest micro-batches. From then on, the memory per position of a step
/// predicts that of larger micro-batches, and their size grows until the bound is near. Checkpoints contain the size, with which a resumed run continues.
/// </summary>
/// <remarks>A position is an element of <see cref="Batch.InputIds"/>, including padding. Sizes in positions apply to rows of any length.</remarks>
internal sealed class MemoryDivision
{
    private const int Growth = 2;        // predictions from smaller sizes are inexact, since small steps also use memory that the allocator could not return
    private const double Target = 0.85;   // fraction of the memory below the bound

    private bool warm;
    private long? floor;

    /// <summary>The bound in bytes: <see cref="TrainingOptions.MaxMemory"/>.</summary>
    public required long Bound { get; init; }

    /// <summary>Maximum number of positions of a micro-batch; null for the smallest possible micro-batches.</summary>
    public long? Positions { get; set; }

    /// <summary>True if the size no longer changes unless it proves too large.</summary>
    public bool Settled { get; set; }

    /// <summary>Returns the minimum number of micro-batches of a batch whose rows have equal length.</summary>
    /// <param name="positions">Number of its positions.</param>
    /// <param name="rows">Number of its rows, at least 1.</param>
    public int Parts(long positions, int rows)
    {
        if (Positions is not { } limit) return rows;
        var each = Math.Clamp((long)((Int128)limit * rows / Math.Max(positions, 1)), 1, rows);
        return (int)((rows + each - 1) / each);
    }

    /// <summary>True if a micro-batch is small enough.</summary>
    public bool Fits(long positions) => positions <= Positions;

    /// <summary>Records a step that stayed within the bound.</summary>
    /// <param name="before">Resident memory before its forward and backward passes, in bytes.</param>
    /// <param name="peak">The peak during them.</param>
    /// <param name="positions">Number of positions of its largest micro-batch.</param>
    /// <param name="undivided">True if no batch was divided.</param>
    public void RecordWithin(long before, long peak, long positions, bool undivided)
    {
        var first = !warm;
        warm = true;
        if (Settled || first) return;   // the first step also makes permanent allocations, such as the optimizer's state
        floor ??= before;
        var possible = (long)(Target * (Bound - floor.Value) / Math.Max(peak - floor.Value, 1) * positions);
        Settled = undivided || possible <= Growth * positions;
        Positions = Math.Max(1, Math.Min(possible, Settled ? possible : Growth * positions));
    }

    /// <summary>Records a step that exceeded the bound or ran out of memory.</summary>
    /// <param name="positions">Number of positions of its largest micro-batch.</param>
    public void RecordExceeded(long positions)
    {
        Positions = Math.Max(1, positions / 2);
        Settled = true;
    }
}
