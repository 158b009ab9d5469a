using static TorchSharp.torch;

namespace Peft;

/// <summary>One step's examples. The batch owns its tensors.</summary>
public sealed class Batch : IDisposable
{
    /// <summary>Label of a position that takes no part in the loss, as in Hugging Face's collators.</summary>
    public const long IgnoredLabel = -100;

    /// <summary>Token ids, <c>[batch, sequence]</c>; with <see cref="PackedLengths"/>, <c>[1, total]</c>.</summary>
    public required Tensor InputIds { get; init; }

    /// <summary>1 for a real token and 0 for padding, <c>[batch, sequence]</c>; null if there is no padding.</summary>
    public Tensor? AttentionMask { get; init; }

    /// <summary>
    /// What to learn. For language models <c>[batch, sequence]</c>, not shifted, <see cref="IgnoredLabel"/> where nothing is learned;
    /// for sequence classification <c>[batch]</c>, for question answering <c>[batch, 2]</c>, the positions of the answer's first and last
    /// token. For models that write another text <c>[batch, target]</c>.
    /// </summary>
    public Tensor? Labels { get; init; }

    /// <summary>Lengths of the sequences that lie end to end in the single row of a packed batch; null otherwise. They do not see each other.</summary>
    public IReadOnlyList<int>? PackedLengths { get; init; }

    /// <summary>Further inputs by Hugging Face's names, such as <c>token_type_ids</c> or <c>start_positions</c>.</summary>
    public IReadOnlyDictionary<string, Tensor> Extra { get; init => field = value ?? throw new ArgumentNullException(nameof(value)); } = new Dictionary<string, Tensor>();

    /// <summary>
    /// How much the batch counts among those accumulated into one step: the number of positions in its loss (so that accumulation
    /// equals one large batch), or of rows where the loss is per row.
    /// </summary>
    public double Weight { get; init; } = 1;

    /// <summary>
    /// Real tokens, padding left out: what speeds are reported in. Counted by the batch itself unless it is told: the lengths of packed sequences, or the ones of the mask, or all ids; rows
    /// where the inputs are no ids.
    /// </summary>
    public long Tokens { get => tokens ??= Count(); init => tokens = value; }

    private long? tokens;

    /// <summary>The batch on a device: itself if it is there, else a copy, and this one is disposed.</summary>
    public Batch To(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        TensorRules.RequireAlive(InputIds, nameof(InputIds));
        if (InputIds.device_type == device.type && (device.type == TorchSharp.DeviceType.CPU || InputIds.device_index == device.index)) return this;
        using (this)
        {
            return new()
            {
                InputIds = InputIds.to(device),
                AttentionMask = AttentionMask?.to(device),
                Labels = Labels?.to(device),
                Extra = Extra.ToDictionary(pair => pair.Key, pair => pair.Value.to(device)),
                PackedLengths = PackedLengths,
                Weight = Weight,
                tokens = tokens,
            };
        }
    }

    /// <summary>The batch of some rows, in the same memory; null where a tensor is not one entry per row. This one must live as long.</summary>
    /// <param name="start">The first row.</param>
    /// <param name="count">How many rows.</param>
    /// <param name="weight">The <see cref="Weight"/> of these rows.</param>
    public Batch? Rows(long start, long count, double weight)
    {
        if (TensorRules.RequireAlive(InputIds, nameof(InputIds)).shape is not [var rows, ..]) return null;
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, rows - start);
        if (PackedLengths is not null || !Each(Labels) || !Each(AttentionMask) || !Extra.Values.All(Each)) return null;
        bool Each(Tensor? tensor) => tensor is null || (!tensor.IsInvalid && tensor.dim() > 0 && tensor.shape[0] == rows);
        Tensor Part(Tensor tensor) => tensor.narrow(0, start, count);
        return new()
        {
            InputIds = Part(InputIds),
            AttentionMask = AttentionMask is { } mask ? Part(mask) : null,
            Labels = Labels is null ? null : Part(Labels),
            Extra = Extra.ToDictionary(pair => pair.Key, pair => Part(pair.Value)),
            Weight = weight,
            Tokens = (long)((Int128)Tokens * count / rows),
        };
    }

    /// <summary>The batch of some of the packed sequences, in the same memory; null where there are other tensors than ids and labels. This one must live as long.</summary>
    /// <param name="start">The first sequence.</param>
    /// <param name="count">How many sequences.</param>
    /// <param name="weight">The <see cref="Weight"/> of these sequences.</param>
    public Batch? Sequences(int start, int count, double weight)
    {
        if (PackedLengths is not { } lengths || AttentionMask is not null || Extra.Count > 0) return null;
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, lengths.Count - start);
        if (TensorRules.RequireAlive(InputIds, nameof(InputIds)).shape is not [1, var width] || lengths.Any(length => length < 1) || lengths.Sum(length => (long)length) != width) return null;
        if (Labels is { } given && (given.IsInvalid || given.shape is not [1, var labelled] || labelled != width)) return null;
        IReadOnlyList<int> chosen = [.. lengths.Skip(start).Take(count)];
        var (before, total) = (lengths.Take(start).Sum(), chosen.Sum());
        return new()
        {
            InputIds = InputIds.narrow(1, before, total),
            Labels = Labels?.narrow(1, before, total),
            PackedLengths = chosen,
            Weight = weight,
            Tokens = total,
        };
    }

    private long Count()
    {
        if (PackedLengths is { } lengths) return lengths.Sum(length => (long)length);
        if (AttentionMask is not { } mask) return InputIds.dim() < 2 || InputIds.is_floating_point() ? InputIds.shape.FirstOrDefault(1) : InputIds.numel();
        using var _ = NewDisposeScope();
        return mask.ne(Kept(0)).sum().item<long>();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        InputIds.Dispose();
        AttentionMask?.Dispose();
        Labels?.Dispose();
        foreach (var tensor in Extra.Values) tensor.Dispose();
    }
}

/// <summary>A model that knows its own training loss.</summary>
public interface ILossModel
{
    /// <summary>The mean loss of a batch, a scalar with a gradient: over the positions (or rows) that <see cref="Batch.Weight"/> counts.</summary>
    Tensor Loss(Batch batch);

    /// <summary>
    /// Divides a batch on the CPU into parts that a trainer may run at the same time, each on a thread of its own. The mean of the parts' losses,
    /// weighted by <see cref="Batch.Weight"/>, must be the loss of the batch, and their weights must sum to its. A model that divides batches
    /// may have no state that a pass in training changes.
    /// </summary>
    /// <param name="batch">The batch; the parts may lie in its memory.</param>
    /// <param name="parts">How many parts there may be.</param>
    /// <returns>The parts, which the caller disposes; the batch itself, alone, where it cannot be divided (the default).</returns>
    IReadOnlyList<Batch> Divide(Batch batch, int parts) => [batch];
}
