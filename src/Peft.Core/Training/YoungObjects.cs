namespace Peft;

/// <summary>
/// Has the short-lived objects of training steps collected. By itself, .NET does so when they are about as large as the L3 cache: on processors with a large one, steps would fill 100 MB with objects that nothing uses.
/// </summary>
internal sealed class YoungObjects
{
    /// <summary>Bytes between collections.</summary>
    public const long Limit = 8L << 20;

    private long last = GC.GetTotalAllocatedBytes();
    private int collections = GC.CollectionCount(0);

    /// <summary>Collects generation 0 if it is due.</summary>
    public void Collect()
    {
        if (IsDue(GC.GetTotalAllocatedBytes(), GC.CollectionCount(0))) GC.Collect(0);
    }

    /// <summary>True if the process allocated <see cref="Limit"/> bytes since the last call that found a new collection, or found one due.</summary>
    /// <param name="allocated">Bytes that the process has allocated so far.</param>
    /// <param name="count">Collections so far.</param>
    public bool IsDue(long allocated, int count)
    {
        var isDue = count == collections && allocated - last >= Limit;
        if (isDue || count != collections) (collections, last) = (isDue ? count + 1 : count, allocated);
        return isDue;
    }
}
