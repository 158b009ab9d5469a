using static TorchSharp.torch;

namespace Peft;

/// <summary>A dataset: rows from which batches are formed.</summary>
[TypeFormatterSource(typeof(TrainingDatasetDisplay))]
public abstract class TrainingDataset
{
    /// <summary>Number of rows.</summary>
    public abstract int Count { get; }

    /// <summary>Name of the dataset in error messages.</summary>
    public virtual string Name => GetType().Name;

    /// <summary>Warnings about unusual rows. Trainers log them.</summary>
    public virtual IReadOnlyList<string> Warnings => [];

    /// <summary>Creates the batch of some rows, on the CPU. The caller disposes it.</summary>
    /// <param name="rows">Indices from 0 to <see cref="Count"/> − 1, at least one.</param>
    public abstract Batch GetBatch(IReadOnlyList<int> rows);

    /// <summary>Creates the batch of some rows in an epoch of training, for datasets whose rows differ between epochs. By default, all epochs are the same. The caller disposes it.</summary>
    /// <param name="rows">Indices from 0 to <see cref="Count"/> − 1, at least one.</param>
    /// <param name="epoch">Index of the epoch, from 0. The same rows and epoch must give the same batch, so that a resumed run equals an uninterrupted one.</param>
    public virtual Batch GetBatch(IReadOnlyList<int> rows, int epoch) => GetBatch(rows);

    /// <summary>Returns the length of a row, by which rows are grouped (<see cref="TrainingOptions.GroupByLength"/>).</summary>
    /// <param name="row">Index of the row.</param>
    /// <exception cref="DatasetException">The lengths are unknown (the default).</exception>
    public virtual int LengthOf(int row)
        => throw new DatasetException($"The dataset {Name} does not know how long its rows are, so GroupByLength cannot group them: pass lengthOf to TrainingDataset.From, override LengthOf, or do not set GroupByLength.");

    /// <summary>Metrics that an evaluation on this dataset computes in addition to the loss, for models that return outputs (<see cref="IOutputModel"/>). None by default.</summary>
    public virtual IReadOnlyList<DatasetMetric> Metrics => [];

    /// <summary>Starts a measurement of a model's outputs. Returns null (the default) if the dataset has no metrics.</summary>
    public virtual IMeasurement? Measure() => null;

    /// <summary>Reasons that a model cannot be trained or evaluated on this dataset, such as different classes; empty if it can.</summary>
    /// <param name="model">The model.</param>
    public virtual IEnumerable<string> Errors(nn.Module model) => [];

    /// <summary>Creates a dataset from a function that creates batches.</summary>
    /// <param name="count">Number of rows.</param>
    /// <param name="getBatch">Creates the batch of some rows.</param>
    /// <param name="name">Name of the dataset in error messages.</param>
    /// <param name="lengthOf">Length of a row; null if rows cannot be grouped by length.</param>
    public static TrainingDataset From(int count, Func<IReadOnlyList<int>, Batch> getBatch, string name = "dataset", Func<int, int>? lengthOf = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentNullException.ThrowIfNull(getBatch);
        return new DelegateDataset(count, getBatch, name, lengthOf);
    }

    /// <summary>Creates a dataset from tensors whose first dimension is the row.</summary>
    /// <param name="inputs">Inputs, <c>[rows, …]</c>; they become <see cref="Batch.InputIds"/>. The caller keeps ownership.</param>
    /// <param name="labels">Labels, <c>[rows, …]</c>, or null.</param>
    /// <exception cref="ArgumentException">The row counts differ.</exception>
    public static TrainingDataset From(Tensor inputs, Tensor? labels = null)
    {
        var count = RowsOf(inputs, nameof(inputs));
        if (labels is not null && RowsOf(labels, nameof(labels)) != count)
            throw new ArgumentException($"There are {count} rows of inputs, but {labels.size(0)} rows of labels.", nameof(labels));
        return new DelegateDataset(count, rows =>
        {
            RequireRows(rows, count);
            TensorRules.RequireAlive(inputs, nameof(inputs));
            if (labels is not null) TensorRules.RequireAlive(labels, nameof(labels));
            using var index = tensor(rows.Select(row => (long)row).ToArray(), device: inputs.device);
            return new()
            {
                InputIds = inputs.index_select(0, index),
                Labels = labels?.index_select(0, index),
                Weight = rows.Count,
            };
        }, "tensor dataset", null);
    }

    /// <summary>Returns the rows of each batch of an epoch, deterministic for a seed and epoch.</summary>
    /// <param name="batchSize">Number of rows per batch; the last one may have fewer.</param>
    /// <param name="shuffleSeed">Seed for shuffling; null to keep the order of the rows.</param>
    /// <param name="epoch">Index of the epoch, from 0.</param>
    /// <param name="groupByLength">True to batch rows of similar length.</param>
    /// <exception cref="DatasetException">Grouping was requested, but the dataset does not know the lengths of its rows.</exception>
    public virtual IReadOnlyList<int[]> Batches(int batchSize, int? shuffleSeed = null, int epoch = 0, bool groupByLength = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        var order = Enumerable.Range(0, Count).ToArray();
        var random = new SplitMix64(SplitMix64.Mix(shuffleSeed ?? 0, epoch));
        if (shuffleSeed is not null) random.Shuffle(order);
        if (!groupByLength) return [.. order.Chunk(batchSize)];

        // Sorting only within large chunks of the random order keeps batches different between epochs.
        var batches = order.Chunk((int)Math.Min(batchSize * 50L, int.MaxValue)).SelectMany(chunk => chunk.OrderByDescending(LengthOf).Chunk(batchSize)).ToArray();
        if (shuffleSeed is not null) random.Shuffle(batches.AsSpan());
        return batches;
    }

    /// <summary>Throws if row indices are out of range.</summary>
    /// <param name="rows">The rows of a batch.</param>
    /// <param name="count">Number of rows of the dataset.</param>
    internal static void RequireRows(IReadOnlyList<int> rows, int count)
    {
        ArgumentNullException.ThrowIfNull(rows);
        if (rows.Count == 0) throw new ArgumentException("A batch needs at least one row.", nameof(rows));
        foreach (var row in rows) RequireRow(row, count);
    }

    internal static void RequireRow(int row, int count)
    {
        if (row < 0 || row >= count) throw new ArgumentOutOfRangeException(nameof(row), row, $"The rows of the dataset are 0 to {count - 1}.");
    }

    private static int RowsOf(Tensor tensor, string name)
        => TensorRules.RequireAlive(tensor, name).shape is not [var rows, ..] ? throw new ArgumentException($"{name} is a scalar, but its first dimension must be the row.", name)
            : rows <= int.MaxValue ? (int)rows
            : throw new ArgumentException($"{name} has {rows} rows, but a dataset has at most {int.MaxValue}: divide it.", name);

    private sealed class DelegateDataset(int count, Func<IReadOnlyList<int>, Batch> getBatch, string name, Func<int, int>? lengthOf) : TrainingDataset
    {
        public override int Count => count;

        public override string Name => name;

        public override int LengthOf(int row)
        {
            RequireRow(row, count);
            return lengthOf is null ? base.LengthOf(row) : lengthOf(row);
        }

        public override Batch GetBatch(IReadOnlyList<int> rows)
        {
            ArgumentNullException.ThrowIfNull(rows);
            return getBatch(rows) ?? throw new DatasetException($"The function of {name} returned no batch.");
        }
    }
}
