using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Peft;

/// <summary>The examples of one training step. The batch owns its tensors.</summary>
public sealed class Batch : IDisposable
{
    /// <summary>Label of positions that the loss ignores, as in Hugging Face's collators.</summary>
    public const long IgnoredLabel = -100;

    /// <summary>Token ids, <c>[batch, sequence]</c>; with <see cref="PackedLengths"/>, <c>[1, total]</c>.</summary>
    public required Tensor InputIds { get; init; }

    /// <summary>Attention mask <c>[batch, sequence]</c>: 1 for tokens, 0 for padding; null if there is no padding.</summary>
    public Tensor? AttentionMask { get; init; }

    /// <summary>
    /// The labels. For language models <c>[batch, sequence]</c>, not shifted, with <see cref="IgnoredLabel"/> at positions that the loss ignores;
    /// for sequence classification <c>[batch]</c>; for question answering <c>[batch, 2]</c>, the positions of the answer's first and last
    /// token; for sequence-to-sequence models <c>[batch, target]</c>.
    /// </summary>
    public Tensor? Labels { get; init; }

    /// <summary>Lengths of the sequences packed into the single row; null if the batch is not packed. The sequences do not attend to each other.</summary>
    public IReadOnlyList<int>? PackedLengths { get; init; }

    /// <summary>Additional inputs by Hugging Face's names, such as <c>token_type_ids</c> or <c>start_positions</c>.</summary>
    public IReadOnlyDictionary<string, Tensor> Extra { get; init => field = value ?? throw new ArgumentNullException(nameof(value)); } = new Dictionary<string, Tensor>();

    /// <summary>The fields of each row of the data, for objectives that read more than tensors; null if there are none. They must not be changed.</summary>
    public IReadOnlyList<JsonObject>? Fields { get; init; }

    /// <summary>
    /// Weight of the batch in gradient accumulation: the number of positions in its loss, so that accumulation equals one large
    /// batch, or the number of rows if the loss is per row.
    /// </summary>
    public double Weight { get; init; } = 1;

    /// <summary>
    /// Number of tokens without padding, for throughput. Unless set, it is computed: the sum of the packed lengths, or the sum of the mask, or the number of
    /// ids; the number of rows if the inputs are not ids.
    /// </summary>
    public long Tokens { get => tokens ??= Count(); init => tokens = value; }

    private long? tokens;

    /// <summary>Moves the batch to a device. Returns the batch itself if it is already there; otherwise a copy, and disposes the original.</summary>
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
                Fields = Fields,
                Weight = Weight,
                tokens = tokens,
            };
        }
    }

    /// <summary>Selects some of the rows, as views; null if a tensor does not have one entry per row. The original must outlive the result.</summary>
    /// <param name="start">Index of the first row.</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="weight">The <see cref="Weight"/> of these rows.</param>
    public Batch? Rows(long start, long count, double weight)
    {
        if (TensorRules.RequireAlive(InputIds, nameof(InputIds)).shape is not [var rows, ..]) return null;
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, rows - start);
        if (PackedLengths is not null || !Each(Labels) || !Each(AttentionMask) || !Extra.Values.All(Each)) return null;
        bool Each(Tensor? tensor) => tensor is null || (!tensor.IsInvalid && tensor.dim() > 0 && tensor.size(0) == rows);
        Tensor Part(Tensor tensor) => tensor.narrow(0, start, count);
        return new()
        {
            InputIds = Part(InputIds),
            AttentionMask = AttentionMask is { } mask ? Part(mask) : null,
            Labels = Labels is null ? null : Part(Labels),
            Extra = Extra.ToDictionary(pair => pair.Key, pair => Part(pair.Value)),
            Fields = Fields?.Skip((int)start).Take((int)count).ToList(),
            Weight = weight,
            Tokens = (long)((Int128)Tokens * count / rows),
        };
    }

    /// <summary>Selects some of the packed sequences, as copies; null if there are tensors other than ids and labels.</summary>
    /// <param name="indices">Indices of the sequences, in the order of the result.</param>
    /// <param name="weight">The <see cref="Weight"/> of these sequences.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no indices, or no sequence has one of them.</exception>
    public Batch? Sequences(IReadOnlyList<int> indices, double weight)
    {
        ArgumentNullException.ThrowIfNull(indices);
        if (PackedLengths is not { } lengths || AttentionMask is not null || Extra.Count > 0) return null;
        ArgumentOutOfRangeException.ThrowIfZero(indices.Count);
        foreach (var index in indices)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index, nameof(indices));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, lengths.Count, nameof(indices));
        }
        if (TensorRules.RequireAlive(InputIds, nameof(InputIds)).shape is not [1, var width] || lengths.Any(length => length < 1) || lengths.Sum(length => (long)length) != width) return null;
        if (Labels is { } given && (given.IsInvalid || given.shape is not [1, var labelled] || labelled != width)) return null;
        var starts = new int[lengths.Count];
        for (var i = 1; i < starts.Length; i++) starts[i] = starts[i - 1] + lengths[i - 1];
        using var scope = NewDisposeScope();
        Tensor Chosen(Tensor all) => cat([.. indices.Select(index => all.narrow(1, starts[index], lengths[index]))], 1).MoveToOuterDisposeScope();
        IReadOnlyList<int> chosen = [.. indices.Select(index => lengths[index])];
        return new()
        {
            InputIds = Chosen(InputIds),
            Labels = Labels is null ? null : Chosen(Labels),
            PackedLengths = chosen,
            Weight = weight,
            Tokens = chosen.Sum(),
        };
    }

    private long Count()
    {
        if (PackedLengths is { } lengths) return lengths.Sum(length => (long)length);
        if (AttentionMask is not { } mask) return InputIds.dim() < 2 || InputIds.is_floating_point() ? InputIds.shape.FirstOrDefault(1) : InputIds.numel();
        using var _ = NewDisposeScope();
        return mask.ne(Constant(0)).sum().item<long>();
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
