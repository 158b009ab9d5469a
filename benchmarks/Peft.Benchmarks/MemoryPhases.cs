using System.Diagnostics;

namespace Peft.Benchmarks;

/// <summary>Peaks of the resident memory by phase, in megabytes. On Linux each phase has its own peak, elsewhere that of the process so far.</summary>
internal sealed class MemoryPhases
{
    private readonly Dictionary<string, double> peaks = [];

    /// <summary>The peak of each phase, in their order.</summary>
    public IReadOnlyDictionary<string, double> Megabytes => peaks;

    /// <summary>The highest peak.</summary>
    public double Peak => peaks.Values.Max();

    /// <summary>Ends a phase, which began with the process or at the end of the one before.</summary>
    public void End(string phase)
    {
        using var process = Process.GetCurrentProcess();
        peaks[phase] = Math.Round(process.PeakWorkingSet64 / 1048576.0, 1);
        // The kernel forgets the peak.
        if (OperatingSystem.IsLinux()) File.WriteAllText("/proc/self/clear_refs", "5");
    }
}
