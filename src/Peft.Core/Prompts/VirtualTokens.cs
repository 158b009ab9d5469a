using static TorchSharp.torch;

namespace Peft;

/// <summary>The virtual tokens of an adapter. The first dimension of each tensor is the number of rows, or 1 if all rows have the same tokens.</summary>
public sealed record VirtualTokens
{
    /// <summary>Embeddings that precede those of the input, <c>[rows, tokens, hidden]</c>.</summary>
    public Tensor? Embeddings { get; init; }

    /// <summary>Embeddings that precede the decoder's input, for an encoder-decoder model.</summary>
    public Tensor? DecoderEmbeddings { get; init; }

    /// <summary>Keys and values that precede those of the input, one pair per layer; for an encoder-decoder model those of the decoder.</summary>
    public IReadOnlyList<KeyValuePrefix>? Prefix { get; init; }

    /// <summary>Additional tokens in the attention of layers.</summary>
    public IReadOnlyList<AttentionPrompt> InAttention { get; init; } = [];

    /// <summary>Appends other tokens to these.</summary>
    internal VirtualTokens Then(VirtualTokens next) => new()
    {
        Embeddings = Join(Embeddings, next.Embeddings, 1),
        DecoderEmbeddings = Join(DecoderEmbeddings, next.DecoderEmbeddings, 1),
        Prefix = Prefix is null ? next.Prefix : next.Prefix is null ? Prefix
            : [.. Prefix.Zip(next.Prefix, (a, b) => new KeyValuePrefix(Join(a.Keys, b.Keys, 2)!, Join(a.Values, b.Values, 2)!))],
        InAttention = [.. InAttention, .. next.InAttention],
    };

    /// <summary>Concatenates the tokens of several batches along the batch dimension.</summary>
    internal static VirtualTokens Rows(IReadOnlyList<VirtualTokens> rows) => new()
    {
        Embeddings = Below([.. rows.Select(row => row.Embeddings)], 1),
        DecoderEmbeddings = Below([.. rows.Select(row => row.DecoderEmbeddings)], 1),
        Prefix = rows.FirstOrDefault(row => row.Prefix is not null)?.Prefix is not { } first ? null
            : [.. Enumerable.Range(0, first.Count).Select(layer => new KeyValuePrefix(Below([.. rows.Select(row => row.Prefix?[layer].Keys)], 2)!, Below([.. rows.Select(row => row.Prefix?[layer].Values)], 2)!))],
        InAttention = [.. rows.SelectMany((row, i) => row.InAttention.Select(prompt => (prompt, i))).GroupBy(each => each.prompt, each => each.i).Select(group => OpenIn(group.Key, [.. group], rows.Count))],
    };

    // Concatenates along the batch dimension; rows with fewer tokens begin with zeros.
    private static Tensor? Below(IReadOnlyList<Tensor?> rows, int dimension)
    {
        if (rows.OfType<Tensor>().MaxBy(row => row.shape[dimension]) is not { } longest) return null;
        return cat([.. rows.Select(Padded)], 0);

        Tensor Padded(Tensor? row)
        {
            var shape = longest.shape;
            shape[dimension] -= row?.shape[dimension] ?? 0;
            if (shape[dimension] == 0) return row!;
            var padding = zeros(shape, longest.dtype, longest.device);
            return row is null ? padding : cat([padding, row], dimension);
        }
    }

    // All rows attend to all tokens, but the gate is 0 in rows with other adapters.
    private static AttentionPrompt OpenIn(AttentionPrompt prompt, int[] rows, int count)
    {
        var open = tensor([.. Enumerable.Range(0, count).Select(row => rows.Contains(row) ? 1f : 0)], [count, 1, 1, 1], device: prompt.Gate.device);
        return prompt with { Gate = prompt.Gate.mul(open), Rows = open };
    }

    private static Tensor? Join(Tensor? first, Tensor? second, long dimension)
    {
        if (first is null || second is null) return first ?? second;
        var rows = Math.Max(first.size(0), second.size(0));
        return cat([Wide(first), Wide(second)], dimension);

        Tensor Wide(Tensor each) => each.size(0) == rows ? each : each.expand([rows, .. each.shape[1..]]);
    }
}
