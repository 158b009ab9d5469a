using System.Diagnostics;
using System.Runtime;

namespace Peft.Benchmarks;

/// <summary>The runs before a measurement: as many as told, or until the just-in-time compiler has nothing left to do. It compiles a method again, better, after some thirty calls.</summary>
/// <param name="runs">Number of runs; null for as many as it takes.</param>
internal sealed class WarmUp(int? runs)
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(0.5), Longest = TimeSpan.FromSeconds(30);

    private readonly long start = Stopwatch.GetTimestamp();
    private long compiled, changed = Stopwatch.GetTimestamp();
    private int same;

    /// <summary>Number of runs so far.</summary>
    public int Count { get; private set; }

    /// <summary>True if no run is needed before the measurement.</summary>
    public bool IsNone => runs == 0;

    /// <summary>Counts a run.</summary>
    /// <returns>True if it was the last one before the measurement.</returns>
    public bool Ends()
    {
        Count++;
        if (runs is { } told) return Count >= told;
        if (JitInfo.GetCompiledMethodCount() is var now && now == compiled) same++;
        else (compiled, same, changed) = (now, 0, Stopwatch.GetTimestamp());
        return (same >= 2 && Stopwatch.GetElapsedTime(changed) >= Quiet) || (Count >= 2 && Stopwatch.GetElapsedTime(start) >= Longest);
    }
}
