using static TorchSharp.torch;

namespace Peft;

/// <summary>Rows that batches are made of.</summary>
public abstract class TrainingDataset
{
    /// <summary>Number of rows.</summary>
    public abstract int Count { get; }

    /// <summary>What errors call the dataset.</summary>
    public virtual string Name => GetType().Name;

    /// <summary>What is odd about the rows but may be meant; trainers log it.</summary>
    public virtual IReadOnlyList<string> Warnings => [];

    /// <summary>The batch of some rows, on the CPU. The caller disposes it.</summary>
    /// <param name="rows">Indices from 0 to <see cref="Count"/> − 1, at least one.</param>
    public abstract Batch GetBatch(IReadOnlyList<int> rows);

    /// <summary>Length of a row, by which rows are grouped (<see cref="TrainingOptions.GroupByLength"/>).</summary>
    /// <param name="row">Index of the row.</param>
    /// <exception cref="DatasetException">The dataset does not know the lengths of its rows, which is so unless it overrides this.</exception>
    public virtual int LengthOf(int row)
        => throw new DatasetException($"The dataset {Name} does not know how long its rows are, so GroupByLength cannot group them: give TrainingDataset.From a lengthOf, override LengthOf, or leave GroupByLength out.");

    /// <summary>What an evaluation on this dataset measures besides the loss, of models that give outputs (<see cref="IOutputModel"/>). Nothing unless the dataset says otherwise.</summary>
    public virtual IReadOnlyList<DatasetMetric> Metrics => [];

    /// <summary>Begins to measure the outputs of a model; null (the default) if there is nothing to measure.</summary>
    public virtual IMeasurement? Measure() => null;

    /// <summary>Why a model cannot learn from this dataset or be measured on it, such as that its classes are others; empty if it can.</summary>
    /// <param name="model">The model.</param>
    public virtual IEnumerable<string> Errors(nn.Module model) => [];

    /// <summary>A dataset whose batches a function makes.</summary>
    /// <param name="count">Number of rows.</param>
    /// <param name="getBatch">Makes the batch of some rows.</param>
    /// <param name="name">What errors call it.</param>
    /// <param name="lengthOf">Length of a row; null if rows have none that could be grouped.</param>
    public static TrainingDataset From(int count, Func<IReadOnlyList<int>, Batch> getBatch, string name = "dataset", Func<int, int>? lengthOf = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentNullException.ThrowIfNull(getBatch);
        return new DelegateDataset(count, getBatch, name, lengthOf);
    }

    /// <summary>A dataset of tensors whose first dimension is the row.</summary>
    /// <param name="inputs">Inputs, <c>[rows, …]</c>; they become <see cref="Batch.InputIds"/>. The caller keeps and disposes them.</param>
    /// <param name="labels">Labels, <c>[rows, …]</c>, or null.</param>
    /// <exception cref="ArgumentException">The numbers of rows differ.</exception>
    public static TrainingDataset From(Tensor inputs, Tensor? labels = null)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        if (labels is not null && labels.shape[0] != inputs.shape[0])
            throw new ArgumentException($"There are {inputs.shape[0]} rows of inputs, but {labels.shape[0]} rows of labels.", nameof(labels));
        return new DelegateDataset(checked((int)inputs.shape[0]), rows =>
        {
            using var index = tensor(rows.Select(row => (long)row).ToArray(), device: inputs.device);
            return new()
            {
                InputIds = inputs.index_select(0, index),
                Labels = labels?.index_select(0, index),
                Weight = rows.Count,
            };
        }, "tensor dataset", null);
    }

    /// <summary>The rows of each batch of an epoch, the same for the same seed and epoch.</summary>
    /// <param name="batchSize">Rows of a batch; the last one may have fewer.</param>
    /// <param name="shuffleSeed">Seed of the order; null for the order of the rows.</param>
    /// <param name="epoch">Epoch, from 0.</param>
    /// <param name="groupByLength">Whether rows of similar length share a batch.</param>
    /// <exception cref="DatasetException">Rows are to be grouped, but the dataset does not know their lengths.</exception>
    public IReadOnlyList<int[]> Batches(int batchSize, int? shuffleSeed = null, int epoch = 0, bool groupByLength = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        var order = Enumerable.Range(0, Count).ToArray();
        var random = new SplitMix64(SplitMix64.Mix(shuffleSeed ?? 0, epoch));
        if (shuffleSeed is not null) random.Shuffle(order);
        if (!groupByLength) return [.. order.Chunk(batchSize)];

        // Sorting only within large chunks of the random order keeps batches different from epoch to epoch.
        var batches = order.Chunk(batchSize * 50).SelectMany(chunk => chunk.OrderByDescending(LengthOf).Chunk(batchSize)).ToArray();
        if (shuffleSeed is not null) random.Shuffle(batches.AsSpan());
        return batches;
    }

    private sealed class DelegateDataset(int count, Func<IReadOnlyList<int>, Batch> getBatch, string name, Func<int, int>? lengthOf) : TrainingDataset
    {
        public override int Count => count;

        public override string Name => name;

        public override int LengthOf(int row) => lengthOf is null ? base.LengthOf(row) : lengthOf(row);

        public override Batch GetBatch(IReadOnlyList<int> rows) => getBatch(rows);
    }
}
