using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Batches of n pairs: the chosen texts as rows 0 to n − 1, the rejected ones as rows n to 2n − 1, and with three texts for each pair the third ones after them.
/// </summary>
internal static class PairedBatch
{
    /// <summary>Tokens per pair of a divided batch, <c>[pairs]</c> in its parts: a mean over the tokens of the batch is a sum over parts.</summary>
    private const string TokensPerPair = "tokens_per_pair";

    /// <summary>Number of texts of each pair, <c>[pairs]</c>, in the batches of datasets.</summary>
    public const string TextsPerPair = "texts";

    private static readonly string[] Texts = ["chosen", "rejected", "reference"];

    /// <summary>Number of pairs.</summary>
    public static long Count(Batch batch, int texts = 2) => batch.InputIds.size(0) / texts;

    /// <summary>The two halves of a tensor <c>[2n, …]</c>, as views.</summary>
    public static (Tensor Chosen, Tensor Rejected) Halves(Tensor both) => (Rows(both, 0, 2), Rows(both, 1, 2));

    /// <summary>The rows of one text of each pair, of a tensor <c>[texts · n, …]</c>, as a view.</summary>
    public static Tensor Rows(Tensor all, int text, int texts)
    {
        var count = all.size(0) / texts;
        return all.narrow(0, text * count, count);
    }

    /// <summary>Throws if a batch does not hold whole pairs, each text with a completion.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="texts">Number of texts for each pair; 1 for rows without a partner.</param>
    /// <exception cref="ArgumentException">A tensor is missing or has another shape.</exception>
    /// <exception cref="DatasetException">A text has no completion.</exception>
    public static void Check(Batch batch, int texts = 2)
    {
        CheckRows(batch, texts);
        CheckMask(batch, "completion_mask", batch.InputIds);
        if (EmptyRow(batch.Extra["completion_mask"]) is not { } row) return;
        var rows = batch.InputIds.size(0);
        var which = texts == 1 ? $"Row {row} of the batch" : $"The {Texts[row / (rows / texts)]} text of pair {row % (rows / texts)} of the batch";
        throw new DatasetException($"{which} (counted from 0) has no completion: its loss would be a mean over no tokens. Remove the row, or raise the maximum length so that its completion is not truncated.");
    }

    /// <summary>Throws if the rows of a batch are not whole pairs.</summary>
    /// <exception cref="ArgumentException">A tensor has another shape.</exception>
    /// <exception cref="DatasetException">The data has another number of texts for each pair.</exception>
    public static void CheckRows(Batch batch, int texts = 2)
    {
        if (texts > 1 && TextsOf(batch) is { } own && own != texts)
            throw new DatasetException(own < texts ? "The data has pairs, but TPO learns from a third, gold completion too: read the field \"reference\" (PreferenceDatasetOptions.HasReference), or set TpoAlpha to 0."
                : "The data has a third completion for each pair, which only TPO with TpoAlpha above 0 learns from: read it without PreferenceDatasetOptions.HasReference.");
        if (TensorRules.RequireAlive(batch.InputIds, nameof(Batch.InputIds)).shape is not [> 0 and var rows, > 0] || rows % texts != 0)
            throw new ArgumentException($"The ids are {TensorRules.Describe(batch.InputIds)}, but must be [{(texts == 1 ? "rows" : $"{texts} · pairs")}, sequence]{(texts == 1 ? "" : $": first all {string.Join(", then all ", Texts.Take(texts))} texts")}.", nameof(batch));
        TensorRules.RequireWhole(batch.InputIds, nameof(Batch.InputIds));
        if (batch.AttentionMask is { } mask) CheckMask(mask, "attention_mask", batch.InputIds);
    }

    // Null for batches that no dataset made.
    private static long? TextsOf(Batch batch)
    {
        if (batch.Extra.GetValueOrDefault(TextsPerPair) is not { } counts) return null;
        using var first = counts[0];
        return first.item<long>();
    }

    /// <summary>Throws if a mask is missing or does not have the shape of its ids.</summary>
    public static void CheckMask(Batch batch, string name, Tensor ids)
    {
        if (!batch.Extra.TryGetValue(name, out var mask)) throw new ArgumentException($"The batch has no {name}, which says what tokens belong to completions.", nameof(batch));
        CheckMask(mask, name, ids);
    }

    private static void CheckMask(Tensor mask, string name, Tensor ids)
    {
        if (!TensorRules.RequireAlive(mask, name).shape.SequenceEqual(ids.shape))
            throw new ArgumentException($"{name} is {TensorRules.Describe(mask)}, but the ids are {TensorRules.Describe(ids)}: both must have the same shape.", name);
    }

    /// <summary>A tensor of one value for each row or pair; null if the batch holds none of that name.</summary>
    /// <exception cref="ArgumentException">It has another shape.</exception>
    public static Tensor? Column(Batch batch, string name, long length)
    {
        if (batch.Extra.GetValueOrDefault(name) is not { } column) return null;
        return TensorRules.RequireAlive(column, name).shape is [var own] && own == length ? column
            : throw new ArgumentException($"{name} is {TensorRules.Describe(column)}, but must be [{length}].", nameof(batch));
    }

    /// <summary>The mean over the tokens of the batch, or the part's contribution to it.</summary>
    /// <param name="batch">The batch, or a part of it.</param>
    /// <param name="values">Values of tokens, 0 where the mask is.</param>
    /// <param name="mask">1 for tokens that count.</param>
    public static Tensor MeanOverTokens(Batch batch, Tensor values, Tensor mask)
        => values.sum().div(batch.Extra.TryGetValue(TokensPerPair, out var share) ? share.sum() : mask.sum());

    /// <summary>Divides a batch into parts of whole pairs, with about the same number of tokens. Tensors have an entry for each row or for each pair.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="parts">Maximum number of parts.</param>
    /// <param name="texts">Number of texts for each pair.</param>
    /// <param name="counted">The mask of the tokens that <see cref="MeanOverTokens"/> averages over; null if it is not used.</param>
    public static IReadOnlyList<Batch> Divide(Batch batch, int parts, int texts = 2, Func<Batch, Tensor>? counted = null)
    {
        Check(batch, texts);
        return DivideRows(batch, parts, texts, counted);
    }

    /// <summary>As <see cref="Divide"/>, for batches that need no completions.</summary>
    public static IReadOnlyList<Batch> DivideRows(Batch batch, int parts, int texts = 2, Func<Batch, Tensor>? counted = null)
    {
        var pairs = Count(batch, texts);
        var count = (int)Math.Min(parts, pairs);
        if (count < 2) return [batch];
        using var scope = NewDisposeScope();
        float? tokens = counted is null || batch.Extra.ContainsKey(TokensPerPair) ? null : counted(batch).narrow(1, 1, batch.InputIds.size(1) - 1).ne(Constant(0)).sum().item<long>() / (float)pairs;
        return [.. BalancedParts.Of(Tokens(batch, texts), count).Select(part => Part(batch, texts, part, tokens))];
    }

    // The number of tokens of each pair.
    private static int[] Tokens(Batch batch, int texts)
    {
        var pairs = Count(batch, texts);
        if (batch.AttentionMask is not { } mask || !mask.shape.SequenceEqual(batch.InputIds.shape)) return [.. Enumerable.Repeat(1, (int)pairs)];
        return [.. mask.ne(Constant(0)).reshape(texts, pairs, -1).sum([0L, 2L]).cpu().data<long>().Select(count => (int)Math.Max(1, count))];
    }

    private static Batch Part(Batch batch, int texts, int[] chosen, float? tokens)
    {
        var pairs = Count(batch, texts);
        using var ofPairs = tensor([.. chosen.Select(pair => (long)pair)], ScalarType.Int64, batch.InputIds.device);
        using var ofTexts = tensor([.. Enumerable.Range(0, texts).SelectMany(text => chosen.Select(pair => pair + text * pairs))], ScalarType.Int64, batch.InputIds.device);
        Tensor Rows(Tensor each) => each.index_select(0, each.size(0) == texts * pairs ? ofTexts : ofPairs).DetachFromDisposeScope();
        var extra = batch.Extra.ToDictionary(pair => pair.Key, pair => Rows(pair.Value));
        if (tokens is { } share) extra[TokensPerPair] = full([chosen.Length], Constant(share), ScalarType.Float32, batch.InputIds.device).DetachFromDisposeScope();
        return new()
        {
            InputIds = Rows(batch.InputIds),
            AttentionMask = batch.AttentionMask is { } mask ? Rows(mask) : null,
            Extra = extra,
            Weight = batch.Weight * chosen.Length / pairs,
        };
    }

    // The first token is never predicted.
    private static long? EmptyRow(Tensor mask)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var empty = mask.narrow(1, 1, Math.Max(mask.size(1) - 1, 0)).ne(Constant(0)).sum(dim: 1).eq(Constant(0));
        return empty.any().item<bool>() ? empty.to_type(ScalarType.Int32).argmax(0).item<long>() : null;
    }
}
