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

    /// <summary>Collects generation 0 if the process allocated <see cref="Limit"/> bytes since its last collection, or since this object knows of it.</summary>
    /// <returns>True if it did.</returns>
    public bool Collect()
    {
        var (allocated, count) = (GC.GetTotalAllocatedBytes(), GC.CollectionCount(0));
        if (count != collections) (collections, last) = (count, allocated);
        if (allocated - last < Limit) return false;
        GC.Collect(0);
        (collections, last) = (GC.CollectionCount(0), allocated);
        return true;
    }
}
