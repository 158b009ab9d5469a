namespace Peft.Testing;

/// <summary>The process's memory at equal distances in a long run.</summary>
/// <remarks>What is lost in each step grows the memory between any two samples. Code that is compiled late, caches that fill and free lists that grow do so once, between two of them, so the smallest growth is what steps keep.</remarks>
public sealed class MemorySeries
{
    private readonly List<(long Managed, long Resident)> samples = [];

    /// <summary>Collects garbage and takes a sample.</summary>
    public void Add()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        samples.Add((GC.GetTotalMemory(forceFullCollection: false), Environment.WorkingSet));
    }

    /// <summary>The smallest growth of the managed heap between two neighbouring samples, in bytes.</summary>
    public long ManagedGrowth => Growths(sample => sample.Managed).Min();

    /// <summary>The growth of resident memory from the first sample to the last, in bytes.</summary>
    public long ResidentGrowth => samples[^1].Resident - samples[0].Resident;

    private IEnumerable<long> Growths(Func<(long Managed, long Resident), long> of)
        => samples.Zip(samples.Skip(1), (before, after) => of(after) - of(before));
}
