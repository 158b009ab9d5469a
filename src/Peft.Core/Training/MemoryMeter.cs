using System.Buffers.Text;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Peft.Kernels;

namespace Peft;

/// <summary>Samples the resident memory of the process during a run and keeps the peak of each phase.</summary>
internal sealed partial class MemoryMeter : IDisposable
{
    // A sample takes some microseconds. The activations of a pass that is worth measuring live longer than this.
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(5);

    private static readonly SafeFileHandle? Statm = Open();

    private readonly Lock guard = new();
    private readonly long?[] peaks = new long?[Enum.GetValues<TrainingPhase>().Length];
    private readonly bool trims;
    // A timer would run in the thread pool, whose threads spin after each call and keep a core from the step.
    private readonly Thread sampler;
    private readonly ManualResetEventSlim ended = new(false, spinCount: 0);
    private TrainingPhase phase;
    private long peak;

    /// <summary>Starts sampling, in the phase <see cref="TrainingPhase.Start"/>.</summary>
    /// <param name="trims">True to return free memory to the system between phases, so that a phase does not count memory that another one has freed.</param>
    public MemoryMeter(bool trims = false)
    {
        this.trims = trims;
        Sample();
        sampler = new Thread(() =>
        {
            while (!ended.Wait(Interval)) Sample();
        })
        { IsBackground = true, Name = "Peft memory" };
        sampler.Start();
    }

    /// <summary>Resident memory of the process now, in bytes.</summary>
    public static long Resident
    {
        get
        {
            if (Statm is null) return Environment.WorkingSet;
            Span<byte> text = stackalloc byte[128];   // the size, the resident set and other values, in pages
            text = text[..RandomAccess.Read(Statm, text, 0)];
            return Utf8Parser.TryParse(text[(text.IndexOf((byte)' ') + 1)..], out long pages, out _) ? pages * Environment.SystemPageSize : Environment.WorkingSet;
        }
    }

    /// <summary>The peaks so far.</summary>
    public MemoryPeaks Peaks
    {
        get
        {
            Sample();
            lock (guard) return new(peaks[(int)TrainingPhase.Start]!.Value, peaks[(int)TrainingPhase.Training], peaks[(int)TrainingPhase.Evaluation], peaks[(int)TrainingPhase.Saving]);
        }
    }

    /// <summary>Ends the current phase and starts another.</summary>
    public void Enter(TrainingPhase next)
    {
        if (next == phase) return;
        Sample();
        if (trims) Trim();
        lock (guard) phase = next;
        Sample();
    }

    /// <summary>Starts a measurement, which <see cref="Peak"/> ends.</summary>
    /// <returns>The current resident memory.</returns>
    public long Restart()
    {
        lock (guard) peak = 0;
        return Sample();
    }

    /// <summary>The peak since <see cref="Restart"/>.</summary>
    public long Peak
    {
        get
        {
            Sample();
            lock (guard) return peak;
        }
    }

    /// <summary>Returns memory that is kept for later allocations to the system: that of <see cref="CachingAllocator"/>, and that of the C library if it supports this.</summary>
    public static void Trim()
    {
        CachingAllocator.Trim();
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = TrimHeap(0);
        }
        catch (Exception error) when (error is DllNotFoundException or EntryPointNotFoundException)
        {
            // A C library other than glibc, such as musl, which keeps little.
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        ended.Set();
        sampler.Join();
        ended.Dispose();
    }

    private long Sample()
    {
        var now = Resident;
        lock (guard)
        {
            peak = Math.Max(peak, now);
            peaks[(int)phase] = Math.Max(peaks[(int)phase] ?? 0, now);
        }
        return now;
    }

    private static SafeFileHandle? Open()
    {
        try
        {
            return OperatingSystem.IsLinux() ? File.OpenHandle("/proc/self/statm", share: FileShare.ReadWrite) : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int TrimHeap(nuint pad);
}
