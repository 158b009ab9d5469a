using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peft.Models;

/// <summary>
/// Rows that are read and tokenized in the background, some batches ahead of the model, so that training begins at once and neither the rows nor their tokens are ever all in memory.
/// </summary>
/// <remarks>
/// A trainer that shuffles gets each epoch in the order of <see cref="Dataset.Shuffle"/> with its seed and the epoch. The order depends on nothing else, so a resumed run continues with the next row,
/// after the rows before it were read again without being tokenized. No tokens are kept: each epoch tokenizes the rows again, so a <see cref="TokenCache"/> is of no use here. An error of a row is thrown when its batch is read. Batches that are not read one after another are read anew from the file.
/// </remarks>
public sealed class StreamedDataset : TrainingDataset, IDisposable
{
    private readonly Dataset data;
    private readonly Func<Dataset, TrainingDataset> tokenize;
    private readonly StreamOptions options;
    private readonly ILogger logger;
    private readonly HashSet<string> warned = [];
    private readonly Dictionary<int, int> seeds = [];
    private RowStream? stream;

    private StreamedDataset(Dataset data, Func<Dataset, TrainingDataset> tokenize, StreamOptions options, ILogger logger)
    {
        (this.data, this.tokenize, this.options, this.logger) = (data, tokenize, options, logger);
        Count = data.Count();
        if (Count == 0) throw new DatasetException($"{data.Name} has no rows.");
    }

    /// <summary>Creates a dataset whose rows are tokenized when they are needed.</summary>
    /// <param name="data">The rows. They are counted first, by reading them once.</param>
    /// <param name="tokenize">Tokenizes the rows of a batch, such as <c>rows => SftDataset.From(rows, tokenizer)</c>. It is called on another thread. The classes of a classification must be given, since a batch does not have all.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the warnings about rows, each once.</param>
    /// <exception cref="DatasetException">There are no rows, or one cannot be read.</exception>
    public static StreamedDataset From(Dataset data, Func<Dataset, TrainingDataset> tokenize, StreamOptions? options = null, ILogger? logger = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(tokenize);
        options ??= new();
        options.Validate();
        return new(data, tokenize, options, logger ?? NullLogger.Instance);
    }

    /// <inheritdoc/>
    public override int Count { get; }

    /// <inheritdoc/>
    public override string Name => data.Name;

    /// <inheritdoc/>
    /// <remarks>Rows are numbered in the order of the epoch, which the shuffling of the rows themselves determines.</remarks>
    /// <exception cref="DatasetException">Grouping by length was requested.</exception>
    public override IReadOnlyList<int[]> Batches(int batchSize, int? shuffleSeed = null, int epoch = 0, bool groupByLength = false)
    {
        if (groupByLength) throw new DatasetException($"The rows of {Name} are streamed, so that their lengths are unknown: leave GroupByLength out.");
        if (shuffleSeed is { } seed) seeds[epoch] = seed;
        return base.Batches(batchSize);
    }

    /// <inheritdoc/>
    /// <remarks>In the order of the rows.</remarks>
    public override Batch GetBatch(IReadOnlyList<int> rows) => GetBatch(rows, null);

    /// <inheritdoc/>
    /// <remarks>In the order of the epoch, if <see cref="Batches"/> has shuffled it.</remarks>
    public override Batch GetBatch(IReadOnlyList<int> rows, int epoch) => GetBatch(rows, seeds.TryGetValue(epoch, out var seed) ? (int)SplitMix64.Mix(seed, epoch) : null);

    /// <summary>Stops the reading and tokenizing. A batch that is requested later starts it again.</summary>
    public void Dispose()
    {
        stream?.Dispose();
        stream = null;
    }

    private Batch GetBatch(IReadOnlyList<int> rows, int? seed)
    {
        RequireRows(rows, Count);
        for (var i = 1; i < rows.Count; i++)
            if (rows[i] != rows[0] + i) throw new DatasetException($"The rows of {Name} are streamed, so that a batch must be of consecutive rows, but {rows[i]} follows {rows[i - 1]}.");
        if (stream?.IsAt(seed, rows[0], rows.Count, rows[^1] == Count - 1) != true)
        {
            Dispose();
            stream = new(seed is { } order ? data.Shuffle(order, options.ShuffleBuffer) : data, tokenize, seed, rows[0], rows.Count, options.BatchesAhead);
        }
        var tokenized = Next(stream);
        foreach (var warning in tokenized.Warnings)
            if (warned.Add(warning)) TrainingLog.Warning(logger, warning);
        return tokenized.GetBatch([.. Enumerable.Range(0, tokenized.Count)]);
    }

    private TrainingDataset Next(RowStream from)
    {
        try
        {
            return from.Next() ?? throw new DatasetException($"{Name} had {Count} rows when they were counted, but has fewer now: its files must not change during a run.");
        }
        catch
        {
            Dispose();   // it has ended: the next call starts anew
            throw;
        }
    }
}
