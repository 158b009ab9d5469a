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

    /// <summary>Starts the threads.</summary>
    /// <param name="count">Number of threads.</param>
    public PartThreads(int count)
    {
        var all = get_num_threads();
        workers = [.. Enumerable.Range(0, count).Select(i => new Worker($"Peft part {i}", Math.Max(1, all / count)))];
        foreach (var worker in workers) worker.Wait();
        set_num_threads(all);   // the default for later threads; each worker keeps the number that it set for its own thread
    }

    /// <summary>Runs at most as many jobs as there are threads, and waits for all. Rethrows the first exception.</summary>
    public void Run(IReadOnlyList<Action> jobs)
    {
        for (var i = 0; i < jobs.Count; i++) workers[i].Start(jobs[i]);
        Exception? first = null;
        for (var i = 0; i < jobs.Count; i++) first = workers[i].Wait() is { } error ? first ?? error : first;
        if (first is not null) ExceptionDispatchInfo.Throw(first);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var worker in workers) worker.Dispose();
    }

    private sealed class Worker : IDisposable
    {
        private readonly SemaphoreSlim due = new(0), done = new(0);
        private readonly Thread thread;
        private Action? job;
        private Exception? error;

        public Worker(string name, int torchThreads)
        {
            thread = new Thread(Loop) { IsBackground = true, Name = name };
            thread.Start();
            Start(() =>
            {
                _ = get_num_threads();   // a thread's first torch call resets its number of threads, so it must precede the next line
                set_num_threads(torchThreads);
            });
        }

        public void Start(Action next)
        {
            // The parts run in the caller's execution context, which contains scopes such as those of adapters.
            job = ExecutionContext.Capture() is { } flow ? () => ExecutionContext.Run(flow, _ => next(), null) : next;
            due.Release();
        }

        public Exception? Wait()
        {
            done.Wait();
            return error;
        }

        private void Loop()
        {
            while (true)
            {
                due.Wait();
                if (job is not { } next) return;
                try
                {
                    error = null;
                    next();
                }
#pragma warning disable CA1031 // rethrown on the waiting thread
                catch (Exception exception)
#pragma warning restore CA1031
                {
                    error = exception;
                }
                done.Release();
            }
        }

        public void Dispose()
        {
            job = null;
            due.Release();
            thread.Join();
            due.Dispose();
            done.Dispose();
        }
    }
}
