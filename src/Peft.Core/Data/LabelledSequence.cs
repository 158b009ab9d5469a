using static TorchSharp.torch;

namespace Peft;

/// <summary>Token ids, and a label for each: what to learn there, or <see cref="Batch.IgnoredLabel"/>.</summary>
internal sealed record LabelledSequence(long[] Ids, long[] Labels)
{
    /// <summary>Positions whose token is learned.</summary>
    public int Learned { get; } = Labels.Count(label => label != Batch.IgnoredLabel);

    /// <summary>A batch of sequences.</summary>
    /// <param name="chosen">The sequences, at least one.</param>
    /// <param name="layout">How they lie in it.</param>
    /// <param name="padding">Id that fills up shorter ones.</param>
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
        var (ids, labels, mask) = (new long[chosen.Length * width], new long[chosen.Length * width], new long[chosen.Length * width]);
        Array.Fill(ids, padding);
        Array.Fill(labels, Batch.IgnoredLabel);
        for (var i = 0; i < chosen.Length; i++)
        {
            chosen[i].Ids.CopyTo(ids, i * width);
            chosen[i].Labels.CopyTo(labels, i * width);
            Array.Fill(mask, 1, i * width, chosen[i].Ids.Length);
        }
        var padded = chosen.Any(sequence => sequence.Ids.Length < width);
        return new()
        {
            InputIds = tensor(ids, [chosen.Length, width]),
            Labels = tensor(labels, [chosen.Length, width]),
            AttentionMask = padded ? tensor(mask, [chosen.Length, width]) : null,
            Weight = chosen.Sum(sequence => sequence.Learned),
            Tokens = chosen.Sum(sequence => sequence.Ids.Length),
        };
    }
}
