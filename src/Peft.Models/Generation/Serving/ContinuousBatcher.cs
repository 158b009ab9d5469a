using System.Runtime.CompilerServices;

namespace Peft.Models;

/// <summary>
/// Continuous batching: requests with different adapters, prompts and settings share forward passes. They join and leave the batch at any token, and each gets the tokens that it would get alone.
/// A single thread computes; all members may be called from any thread.
/// </summary>
/// <remarks>
/// A request keeps the adapters that it was submitted with, whatever is loaded, swapped in or deleted meanwhile. Adapters that depend on other positions, such as virtual tokens, and
/// combinations of adapters cannot share forward passes: their requests alternate with the batch. Merging throws an exception while there are requests.
/// </remarks>
public sealed class ContinuousBatcher : IDisposable
{
    private readonly CausalLM model;
    private readonly Queue<ServedRequest> queue = [];   // guards itself and the counts
    private readonly RowBatch batch;                    // only the thread uses it and the other requests
    private readonly SoloRequests solo;
    private readonly ServingMeter meter;
    private readonly Thread thread;
    private PassHandle? open;
    private IDisposable? inside;
    private bool disposed;
    private int running;
    private long steps, stepped, tokens;

    /// <summary>Starts to serve a model. The caller keeps ownership of the model, which must outlive the batcher.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A limit is below 1.</exception>
    public ContinuousBatcher(CausalLM model, ContinuousBatchingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        Options = options ?? new();
        ArgumentOutOfRangeException.ThrowIfLessThan(Options.MaxBatchSize, 1, nameof(Options.MaxBatchSize));
        ArgumentOutOfRangeException.ThrowIfLessThan(Options.MaxTokens, 1, nameof(Options.MaxTokens));
        ArgumentOutOfRangeException.ThrowIfLessThan(Options.MaxQueueLength, 1, nameof(Options.MaxQueueLength));
        this.model = model;
        batch = new(model);
        solo = new(model);
        meter = new(() => Statistics);
        // Without the execution context, because the creator's scopes do not apply to the requests.
        thread = new Thread(Run) { IsBackground = true, Name = "Peft serving" };
        thread.UnsafeStart();
    }

    /// <summary>The model.</summary>
    public CausalLM Model => model;

    /// <summary>The limits.</summary>
    public ContinuousBatchingOptions Options { get; }

    /// <summary>Statistics of all requests so far.</summary>
    public BatchingStatistics Statistics
    {
        get { lock (queue) return new(queue.Count, running, steps, stepped, tokens); }
    }

    /// <summary>Submits a request and streams its new tokens, including the end token. This call submits it; it is cancelled when its reader stops.</summary>
    /// <param name="prompt">Token ids.</param>
    /// <param name="options">Generation options. Stop strings and beams are not supported.</param>
    /// <param name="adapter">The adapter, or <see cref="PeftModel.Base"/>; null for the active ones.</param>
    /// <param name="cancellationToken">Cancels the request, even while it waits.</param>
    /// <exception cref="AdapterNotFoundException">The model has no such adapter.</exception>
    /// <exception cref="ArgumentException">The prompt or the options are invalid.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    /// <exception cref="RequestTooLargeException">The request would not fit into the KV cache even alone.</exception>
    /// <exception cref="GenerationException">No token can be chosen (when the tokens are read).</exception>
    public IAsyncEnumerable<int> GenerateTokensAsync(IReadOnlyList<int> prompt, GenerationOptions? options = null, string? adapter = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        if (prompt.Count == 0) throw new ArgumentException("The prompt has no tokens.", nameof(prompt));
        var settings = TextGeneration.StreamSettings(model, options);
        if ((long)prompt.Count + settings.Limit(prompt.Count) is var size && size > Options.MaxTokens)
            throw new RequestTooLargeException($"The request needs {size} positions, {prompt.Count} for its prompt and the rest for new tokens, but {nameof(ContinuousBatchingOptions.MaxTokens)} is {Options.MaxTokens}: shorten the prompt, or lower {nameof(GenerationOptions.MaxNewTokens)}.");
        var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            return Read(Submit([.. prompt], settings, adapter, stop.Token), stop, cancellationToken);
        }
        catch
        {
            stop.Dispose();
            throw;
        }
    }

    private ServedRequest Submit(IReadOnlyList<int> prompt, GenerationSettings settings, string? adapter, CancellationToken cancellation)
    {
        lock (queue)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            if (queue.Count >= Options.MaxQueueLength)
                throw new QueueFullException($"{queue.Count} requests are already waiting, which is the maximum ({nameof(ContinuousBatchingOptions.MaxQueueLength)}): try again later.");
            var peft = PeftModel.Of(model);
            if (peft is null && adapter is not null and not PeftModel.Base) throw new AdapterNotFoundException($"There is no adapter '{adapter}': the model has none.");
            var request = new ServedRequest(model, prompt, settings, peft?.Capture(adapter), cancellation);
            queue.Enqueue(request);
            Monitor.PulseAll(queue);
            return request;
        }
    }

    private static async IAsyncEnumerable<int> Read(ServedRequest request, CancellationTokenSource stop, CancellationToken cancellationToken, [EnumeratorCancellation] CancellationToken reading = default)
    {
        try
        {
            await foreach (var token in request.Tokens.ReadAllAsync(reading).ConfigureAwait(false))
            {
                cancellationToken.ThrowIfCancellationRequested();
                yield return token;
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            stop.Dispose();
        }
    }

    // An exception that escaped this thread would end the process. It fails the affected requests instead.
    private void Run()
    {
        while (Wait())
        {
            try
            {
                Turn();
            }
            catch (Exception error)
            {
                Fail(error);
            }
        }
        var disposedError = new ObjectDisposedException(nameof(ContinuousBatcher));
        Fail(disposedError);
        while (TakeWaiting() is { } request) End(request, disposedError);
    }

    // One token for each request.
    private void Turn()
    {
        // One pass as long as there are requests: a change of the model that waits for it also blocks passes that begin meanwhile, so a second pass here would deadlock.
        if (open is null && PeftModel.Of(model) is { } peft) inside = (open = peft.BeginPass(null)).Enter();
        Admit();
        if (batch.Rows.Count > 0) Step();
        Count(solo.Step());
        EndCancelled();
        Finish();
        if (batch.Rows.Count + solo.Count == 0) Close();
    }

    // After a failed forward pass, for example for lack of memory, the cache is no longer valid: all running requests fail, or, if there are none, the next in the queue.
    private void Fail(Exception error)
    {
        ServedRequest[] failed = [.. Requests];
        if (failed.Length == 0 && error is not ObjectDisposedException { ObjectName: nameof(ContinuousBatcher) } && TakeWaiting() is { } first) failed = [first];
        foreach (var request in failed) End(request, error);
        Quietly(solo.Dispose);
        Quietly(batch.Dispose);
        Quietly(Close);
        Recount();
    }

    private static void End(ServedRequest request, Exception error) => Quietly(() => request.End(error));

    // Errors during the handling of a failure are ignored.
    private static void Quietly(Action action)
    {
        try
        {
            action();
        }
        catch (Exception)
        {
        }
    }

    private void Close()
    {
        inside?.Dispose();
        inside = null;
        open?.Dispose();
        open = null;
    }

    // All running requests.
    private IEnumerable<ServedRequest> Requests => batch.Rows.Concat(solo.Rows);

    private ServedRequest? TakeWaiting()
    {
        lock (queue) return queue.TryDequeue(out var request) ? request : null;
    }

    // False once the batcher is disposed.
    private bool Wait()
    {
        lock (queue)
        {
            while (!disposed && queue.Count == 0 && running == 0) Monitor.Wait(queue);
            return !disposed;
        }
    }

    private void Admit()
    {
        var joining = new List<ServedRequest>();
        while (Next(joining) is { } request) Start(request, joining);
        if (joining.Count == 0) return;
        try
        {
            batch.Join(joining);
        }
        catch (Exception error)
        {
            foreach (var request in joining) request.End(error);
            throw;
        }
        finally
        {
            Count(joining.Count(request => request.Added > 0));
            foreach (var request in joining.Where(request => request.HasEnded)) Ended(request);
            Recount();
        }
    }

    private void Start(ServedRequest request, List<ServedRequest> joining)
    {
        try
        {
            if (request.Cancellation.IsCancellationRequested) request.End(new OperationCanceledException(request.Cancellation));
            else if (SharesBatch(request)) joining.Add(request);
            else solo.Join(request);
        }
        catch (Exception error)
        {
            request.End(error);
        }
        if (request.HasEnded) Ended(request);
        Recount();
    }

    // The first in the queue, if it fits together with those that join. Later requests do not overtake it, so a large request does not starve.
    private ServedRequest? Next(List<ServedRequest> joining)
    {
        lock (queue)
        {
            if (disposed || !queue.TryPeek(out var first)) return null;
            var busy = running + joining.Count;
            // A change of the model that waits for the running requests takes precedence over the queue, or it would starve.
            if (busy > 0 && open?.ChangeWaits == true) return null;
            var room = busy < Options.MaxBatchSize && batch.Positions([.. joining, first]) + solo.Positions <= Options.MaxTokens;
            return busy == 0 || room || first.Cancellation.IsCancellationRequested ? queue.Dequeue() : null;
        }
    }

    private bool SharesBatch(ServedRequest request)
    {
        if (model.Spec.Rotary?.Scaling?.DependsOnLength == true) return false;
        if (request.Scope is null) return true;
        var shares = PeftModel.Of(model)!.CanShareBatch(request.Scope, out var adapter);
        request.Adapter = adapter;
        return shares;
    }

    private void Step()
    {
        var rows = batch.Rows.Count;
        batch.Step();
        lock (queue) (steps, stepped) = (steps + 1, stepped + rows);
        meter.Stepped(rows);
        Count(rows);
    }

    private void EndCancelled()
    {
        foreach (var request in Requests)
            if (!request.HasEnded && request.Cancellation.IsCancellationRequested) request.End(new OperationCanceledException(request.Cancellation));
    }

    private void Finish()
    {
        List<ServedRequest> ended = [.. batch.Rows.Where(row => row.HasEnded)];
        try
        {
            batch.Leave();
            ended.AddRange(solo.Leave());
            Recount();
        }
        finally
        {
            // Last, so that who has read all tokens of a request does not find it among the running ones.
            foreach (var request in ended) Ended(request);
        }
    }

    private void Ended(ServedRequest request)
    {
        request.End();
        meter.Ended(request);
    }

    private void Count(int chosen)
    {
        lock (queue) tokens += chosen;
    }

    private void Recount()
    {
        lock (queue) running = batch.Rows.Count + solo.Count;
    }

    /// <summary>Stops serving. Requests that have not ended get an <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        lock (queue)
        {
            disposed = true;
            Monitor.PulseAll(queue);
        }
        if (Thread.CurrentThread != thread) thread.Join();
        meter.Dispose();
    }
}
