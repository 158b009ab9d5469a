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
    public IReadOnlyDictionary<string, Tensor> Extra { get; init; } = new Dictionary<string, Tensor>();

    /// <summary>
    /// How much the batch counts among those accumulated into one step: the number of positions in its loss (so that accumulation
    /// equals one large batch), or of rows where the loss is per row.
    /// </summary>
    public double Weight { get; init; } = 1;

    /// <summary>Real tokens, padding left out: what speeds are reported in.</summary>
    public long Tokens { get; init; }

    /// <summary>The batch on a device: itself if it is there, else a copy, and this one is disposed.</summary>
    public Batch To(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
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
                Tokens = Tokens,
            };
        }
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
}
