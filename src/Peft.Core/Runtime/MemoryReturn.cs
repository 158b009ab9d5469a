using System.Runtime.InteropServices;

namespace Peft;

/// <summary>Returns what the long steps of a run have freed to the system, where the C library is glibc.</summary>
/// <remarks>
/// In the heap, tensors that a forward pass saves lie between temporary ones. The backward pass frees them one by one, and the heap keeps the gaps, in sizes that later tensors do not fill. During forward passes, large tensors therefore get pages of their
/// own, which return to the system with the tensor. Fresh pages take time, so the many temporary tensors of backward passes come from the heap.
/// </remarks>
internal sealed partial class MemoryReturn
{
    private const int TrimThreshold = -1, MapThreshold = -3;   // names of mallopt's parameters
    private const int Large = 1 << 17, Largest = 1 << 25;      // the least and the greatest threshold that glibc chooses by itself

    private static readonly TimeSpan LongStep = TimeSpan.FromSeconds(1);
    private static readonly Lock Guard = new();
    private static bool isSupported = OperatingSystem.IsLinux() && Environment.GetEnvironmentVariable("MALLOC_MMAP_THRESHOLD_") is null && Environment.GetEnvironmentVariable("GLIBC_TUNABLES")?.Contains("mmap_threshold", StringComparison.Ordinal) != true;
    private static int forwards;   // passes that run now

    private bool isLong = true;   // the last step; unknown at first

    /// <summary>Begins a forward pass, which the result's disposal ends.</summary>
    public Pass Forward() => new(isLong && TorchRuntime.Cpu.MemoryReturn);

    /// <summary>Ends a training step.</summary>
    /// <param name="elapsed">The time that it took.</param>
    public void EndStep(TimeSpan elapsed)
    {
        isLong = elapsed > LongStep;
        // This takes some hundredths of a second.
        if (isLong && TorchRuntime.Cpu.MemoryReturn) MemoryMeter.Trim();
    }

    // The threshold is one for all threads.
    private static void Count(int change)
    {
        lock (Guard)
        {
            var before = forwards;
            forwards += change;
            if (!isSupported || (before > 0) == (forwards > 0)) return;
            try
            {
                _ = SetOption(MapThreshold, forwards > 0 ? Large : Largest);
                _ = SetOption(TrimThreshold, 2 * Largest);
            }
            catch (Exception error) when (error is DllNotFoundException or EntryPointNotFoundException)
            {
                isSupported = false;   // another C library
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int SetOption(int name, int value);

    /// <summary>A forward pass.</summary>
    public readonly ref struct Pass
    {
        private readonly bool counts;

        public Pass(bool counts)
        {
            this.counts = counts;
            if (counts) Count(1);
        }

        public void Dispose()
        {
            if (counts) Count(-1);
        }
    }
}
