using System.Diagnostics;

namespace Peft.Kernels;

/// <summary>
/// Threads that share jobs of a few microseconds with their caller. A step of decoding or training has hundreds of such jobs, so workers look for the next one for a while before they sleep. Threads take one part after another: a worker
/// that comes late leaves more parts to the others, and nobody waits for a thread that the system does not run.
/// </summary>
internal static class WorkTeam
{
    private static readonly long Patience = Stopwatch.Frequency / 10_000;   // 100 µs
    private static readonly object Idle = new();

    private static int busy, sleeping, workers;
    private static Job? current;

    /// <summary>Runs all parts of a job, in the order of their indices, on the calling thread and workers.</summary>
    /// <param name="threads">Maximum number of threads, the calling one included.</param>
    /// <param name="count">Number of parts.</param>
    /// <param name="part">Runs a part.</param>
    /// <returns>False, without having run anything, if the workers have another job, or are not to be used (<see cref="CpuOptions.WorkTeam"/>).</returns>
    /// <exception cref="AggregateException">A part failed.</exception>
    public static bool TryRun(int threads, int count, Action<int> part)
    {
        if (!TorchRuntime.Cpu.WorkTeam || Interlocked.Exchange(ref busy, 1) == 1) return false;
        var job = new Job(threads - 1, count, part);
        try
        {
            for (; workers < threads - 1; workers++) Start(workers);
            Volatile.Write(ref current, job);
            Interlocked.MemoryBarrier();
            if (Volatile.Read(ref sleeping) > 0) lock (Idle) Monitor.PulseAll(Idle);
            job.Work();
            job.Wait();
        }
        finally
        {
            Volatile.Write(ref current, null);
            Volatile.Write(ref busy, 0);
        }
        return job.Error is null ? true : throw new AggregateException(job.Error);
    }

    /// <summary>The chunk of a range at some turn, if threads take turns: each gets adjoining chunks, which processors fetch from memory as one stream.</summary>
    /// <param name="turn">The turn, below the number of chunks.</param>
    /// <param name="count">Number of chunks.</param>
    /// <param name="threads">Number of threads.</param>
    public static int Adjoining(int turn, int count, int threads) => turn % threads * (count / threads) + Math.Min(turn % threads, count % threads) + turn / threads;

    private static void Start(int index) => new Thread(() => Serve(index)) { IsBackground = true, Name = $"Peft worker {index + 1}" }.Start();

    private static void Serve(int index)
    {
        while (true)
        {
            for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetTimestamp() - start < Patience;)
            {
                if (!HasWork(index, out var job))
                {
                    Thread.SpinWait(4);
                    continue;
                }
                job.Work();
                start = Stopwatch.GetTimestamp();
            }
            lock (Idle)
            {
                Interlocked.Increment(ref sleeping);   // with a full fence: either the caller sees a sleeper, or the worker sees the job
                if (!HasWork(index, out _)) Monitor.Wait(Idle);
                Interlocked.Decrement(ref sleeping);
            }
        }
    }

    private static bool HasWork(int index, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Job? job)
    {
        job = Volatile.Read(ref current);
        return job?.HasPartsFor(index) == true;
    }

    private sealed class Job(int workers, int count, Action<int> part)
    {
        private int next, done;
        private Exception? error;

        public Exception? Error => error;

        public bool HasPartsFor(int worker) => worker < workers && Volatile.Read(ref next) < count;

        public void Work()
        {
            while (Volatile.Read(ref next) < count)
            {
                var index = Interlocked.Increment(ref next) - 1;
                if (index >= count) return;
                try
                {
                    part(index);
                }
                catch (Exception e)
                {
                    Interlocked.CompareExchange(ref error, e, null);
                }
                Interlocked.Increment(ref done);
            }
        }

        /// <summary>Waits for the parts that workers have begun.</summary>
        public void Wait()
        {
            for (var turn = 0; Volatile.Read(ref done) < count; turn++)
            {
                if (turn < 1000) Thread.SpinWait(4);
                else Thread.Yield();
            }
        }
    }
}
