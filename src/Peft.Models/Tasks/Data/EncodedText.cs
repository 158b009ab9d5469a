using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The tokens of a text or a pair, for a row of a batch.</summary>
/// <param name="Ids">Token ids.</param>
/// <param name="TypeIds">Token types; null if all are 0.</param>
internal sealed record EncodedText(long[] Ids, long[]? TypeIds)
{
    /// <summary>Creates it from an encoding, or from some positions of it.</summary>
    public static EncodedText Of(TokenEncoding text, IEnumerable<int>? positions = null)
    {
        var chosen = (positions ?? Enumerable.Range(0, text.Length)).ToList();
        return new([.. chosen.Select(i => (long)text.Ids[i])], chosen.Exists(i => text.TypeIds[i] != 0) ? [.. chosen.Select(i => (long)text.TypeIds[i])] : null);
    }

    /// <summary>The first two sequences of a tokenized row (<see cref="TokenRows"/>): ids, and token types, empty if all are 0.</summary>
    public long[][] Sequences => [Ids, TypeIds ?? []];

    /// <summary>Reads <see cref="Sequences"/>.</summary>
    public static EncodedText Of(long[][] row) => new(row[0], row[1].Length > 0 ? row[1] : null);

    /// <summary>Ids, mask and token types <c>[batch, sequence]</c> of rows, padded on the right. There is always a mask, because it marks the end of rows.</summary>
    /// <param name="rows">The rows, at least one.</param>
    /// <param name="padding">The id that pads shorter rows.</param>
    public static (Tensor Ids, Tensor Mask, Tensor? TypeIds) Pad(IReadOnlyList<EncodedText> rows, long padding)
    {
        var width = rows.Max(row => row.Ids.Length);
        var types = rows.Any(row => row.TypeIds is not null);
        return (
            LabelledSequence.Fill([.. rows.Select(row => row.Ids)], width, padding),
            LabelledSequence.Fill([.. rows.Select(row => Enumerable.Repeat(1L, row.Ids.Length).ToArray())], width, 0),
            types ? LabelledSequence.Fill([.. rows.Select(row => row.TypeIds ?? [])], width, 0) : null);
    }

    /// <summary>Creates a batch of rows.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="padding">The id that pads shorter rows.</param>
    /// <param name="labels">The labels of the rows.</param>
    /// <param name="weight">The weight of the batch.</param>
    public static Batch ToBatch(IReadOnlyList<EncodedText> rows, long padding, Tensor labels, double weight)
    {
        var (ids, mask, types) = Pad(rows, padding);
        return new()
        {
            InputIds = ids, AttentionMask = mask, Labels = labels, Weight = weight, Tokens = rows.Sum(row => row.Ids.Length),
            Extra = types is null ? new Dictionary<string, Tensor>() : new() { ["token_type_ids"] = types },
        };
    }
}
