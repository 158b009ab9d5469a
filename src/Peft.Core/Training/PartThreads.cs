using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Threads that run the parts of a batch concurrently, each with an equal number of torch threads. The parts synchronize once per step, whereas torch's
/// threads synchronize in each operation.
/// </summary>
internal sealed class PartThreads : IDisposable
{
    private readonly Worker[] workers;
    // Without spinning, which would keep a core from a thread that has just been given a job.
    private readonly AutoResetEvent done = new(false);
    private int count, running;   // of jobs

    /// <summary>Starts the threads.</summary>
    /// <param name="count">Number of threads.</param>
    public PartThreads(int count)
    {
        var all = get_num_threads();
        workers = [.. Enumerable.Range(0, count).Select(i => new Worker(this, i))];
        Run([.. Enumerable.Repeat(() =>
        {
            _ = get_num_threads();   // a thread's first torch call resets its number of threads, so it must precede the next line
            set_num_threads(Math.Max(1, all / count));
        }, count)]);
        set_num_threads(all);   // the default for later threads; each worker keeps the number that it set for its own thread
    }

    /// <summary>Runs at most as many jobs as there are threads, and waits for all. Rethrows the first exception.</summary>
    public void Run(IReadOnlyList<Action> jobs)
    {
        // The parts run in the caller's execution context, which contains scopes such as those of adapters.
        var flow = ExecutionContext.Capture();
        count = running = jobs.Count;
        for (var i = 0; i < count; i++)
        {
            var job = jobs[i];
            workers[i].Job = flow is null ? job : () => ExecutionContext.Run(flow, _ => job(), null);
        }
        workers[0].Wake();
        done.WaitOne();
        for (var i = 0; i < count; i++)
            if (workers[i].Error is { } error) ExceptionDispatchInfo.Throw(error);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var worker in workers) worker.Dispose();
        done.Dispose();
    }

    // Each thread wakes the next two before its own job. If the calling thread woke them all, the system would put the last one behind another on the same core, since its own core is free only once it waits.
    private void WakeNext(int index)
    {
        for (var next = 2 * index + 1; next <= Math.Min(2 * index + 2, count - 1); next++) workers[next].Wake();
    }

    private void End()
    {
        if (Interlocked.Decrement(ref running) == 0) done.Set();
    }

    private sealed class Worker : IDisposable
    {
        private readonly PartThreads all;
        private readonly int index;
        private readonly AutoResetEvent due = new(false);
        private readonly Thread thread;

        public Worker(PartThreads all, int index)
        {
            (this.all, this.index) = (all, index);
            thread = new Thread(Loop) { IsBackground = true, Name = $"Peft part {index}" };
            thread.Start();
        }

        public Action? Job { private get; set; }

        public Exception? Error { get; private set; }

        public void Wake() => due.Set();

        private void Loop()
        {
            while (true)
            {
                due.WaitOne();
                if (Job is not { } job) return;
                all.WakeNext(index);
                try
                {
                    Error = null;
                    job();
                }
#pragma warning disable CA1031 // rethrown on the waiting thread
                catch (Exception exception)
#pragma warning restore CA1031
                {
                    Error = exception;
                }
                all.End();
            }
        }

        public void Dispose()
        {
            Job = null;
            due.Set();
            thread.Join();
            due.Dispose();
        }
    }
}
