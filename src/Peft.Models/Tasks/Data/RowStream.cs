using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Peft.Models;

/// <summary>Tokenizes the batches of a dataset in the background, from a row on. It waits when enough of them wait to be read.</summary>
internal sealed class RowStream : IDisposable
{
    private readonly int? seed;
    private readonly int size;
    private readonly BlockingCollection<(TrainingDataset? Rows, ExceptionDispatchInfo? Error)> queue;
    private readonly CancellationTokenSource stopping = new();
    private readonly Task work;
    private int next;

    /// <param name="data">The rows in their order.</param>
    /// <param name="tokenize">Tokenizes the rows of a batch.</param>
    /// <param name="seed">Identifies the order.</param>
    /// <param name="start">The first row.</param>
    /// <param name="size">Number of rows of a batch.</param>
    /// <param name="ahead">Number of batches that may wait.</param>
    public RowStream(Dataset data, Func<Dataset, TrainingDataset> tokenize, int? seed, int start, int size, int ahead)
    {
        (this.seed, this.size, next) = (seed, size, start);
        queue = new(ahead);
        work = Task.Factory.StartNew(() => Run(data, tokenize, start), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>True if the next batch is this one.</summary>
    /// <param name="order">Identifies the order.</param>
    /// <param name="row">The first row.</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="isLast">True for the last batch, which may have fewer rows than the others.</param>
    public bool IsAt(int? order, int row, int count, bool isLast) => order == seed && row == next && (count == size || count < size && isLast);

    /// <summary>The next batch, as soon as it is tokenized.</summary>
    /// <returns>The batch; null if there is none.</returns>
    public TrainingDataset? Next()
    {
        if (!queue.TryTake(out var batch, Timeout.Infinite)) return null;
        batch.Error?.Throw();
        next += size;
        return batch.Rows;
    }

    /// <summary>Stops the work, and waits until it has ended.</summary>
    public void Dispose()
    {
        stopping.Cancel();
        work.Wait();
        stopping.Dispose();
        queue.Dispose();
    }

    private void Run(Dataset data, Func<Dataset, TrainingDataset> tokenize, int start)
    {
        try
        {
            foreach (var batch in Batches(data, tokenize, start)) queue.Add(batch, stopping.Token);
            queue.CompleteAdding();
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Nobody reads the rest.
        }
    }

    private IEnumerable<(TrainingDataset? Rows, ExceptionDispatchInfo? Error)> Batches(Dataset data, Func<Dataset, TrainingDataset> tokenize, int start)
    {
        using var batches = data.Skip(start).AsEnumerable().Chunk(size).GetEnumerator();
        while (true)
        {
            (TrainingDataset?, ExceptionDispatchInfo?) batch;
            try
            {
                if (!batches.MoveNext()) yield break;
                batch = (tokenize(new RowList(data.Name, batches.Current)), null);
            }
#pragma warning disable CA1031 // whatever it is, the reader of the batch gets it
            catch (Exception error)
            {
                batch = (null, ExceptionDispatchInfo.Capture(error));
            }
#pragma warning restore CA1031
            yield return batch;
            if (batch.Item2 is not null) yield break;
        }
    }

    private sealed class RowList(string name, IReadOnlyList<DatasetRow> rows) : Dataset
    {
        public override string Name => name;

        public override IEnumerator<DatasetRow> GetEnumerator() => rows.GetEnumerator();
    }
}
