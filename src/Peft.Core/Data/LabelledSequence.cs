using static TorchSharp.torch;

namespace Peft;

/// <summary>Token ids with one label each: the token itself, or <see cref="Batch.IgnoredLabel"/>.</summary>
internal sealed record LabelledSequence(long[] Ids, long[] Labels)
{
    /// <summary>Number of positions in the loss.</summary>
    public int Learned { get; } = Labels.Count(label => label != Batch.IgnoredLabel);

    /// <summary>Combines sequences into a batch.</summary>
    /// <param name="chosen">The sequences, at least one.</param>
    /// <param name="layout">Layout of the batch.</param>
    /// <param name="padding">Id of the padding token.</param>
    public static Batch ToBatch(LabelledSequence[] chosen, BatchLayout layout, long padding)
        => layout == BatchLayout.Packed ? Pack(chosen) : Pad(chosen, padding);

    private static Batch Pack(LabelledSequence[] chosen)
    {
        var ids = chosen.SelectMany(sequence => sequence.Ids).ToArray();
        return new()
        {
            InputIds = tensor(ids, [1, ids.Length]),
            Labels = tensor(chosen.SelectMany(sequence => sequence.Labels).ToArray(), [1, ids.Length]),
            PackedLengths = [.. chosen.Select(sequence => sequence.Ids.Length)],
            Weight = chosen.Sum(sequence => sequence.Learned),
            Tokens = ids.Length,
        };
    }

    private static Batch Pad(LabelledSequence[] chosen, long padding)
    {
        var width = chosen.Max(sequence => sequence.Ids.Length);
        var padded = chosen.Any(sequence => sequence.Ids.Length < width);
        return new()
        {
            InputIds = Fill([.. chosen.Select(sequence => sequence.Ids)], width, padding),
            Labels = Fill([.. chosen.Select(sequence => sequence.Labels)], width, Batch.IgnoredLabel),
            AttentionMask = padded ? Fill([.. chosen.Select(sequence => Enumerable.Repeat(1L, sequence.Ids.Length).ToArray())], width, 0) : null,
            Weight = chosen.Sum(sequence => sequence.Learned),
            Tokens = chosen.Sum(sequence => sequence.Ids.Length),
        };
    }

    /// <summary>Creates a tensor <c>[rows, width]</c> from rows of different lengths, padded on the right.</summary>
    public static Tensor Fill(IReadOnlyList<long[]> rows, int width, long filling)
    {
        var values = new long[rows.Count * width];
        Array.Fill(values, filling);
        for (var i = 0; i < rows.Count; i++) rows[i].CopyTo(values, i * width);
        return tensor(values, [rows.Count, width]);
    }
}
