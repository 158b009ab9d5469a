using static TorchSharp.torch;

namespace Peft;

/// <summary>Batches of pairs: the chosen texts as rows 0 to n − 1, the rejected ones as rows n to 2n − 1.</summary>
internal static class PairedBatch
{
    /// <summary>Number of pairs.</summary>
    public static long Count(Batch batch) => batch.InputIds.shape[0] / 2;

    /// <summary>The two halves of a tensor <c>[2n, …]</c>, as views.</summary>
    public static (Tensor Chosen, Tensor Rejected) Halves(Tensor both)
    {
        var count = both.shape[0] / 2;
        return (both.narrow(0, 0, count), both.narrow(0, count, count));
    }

    /// <summary>Divides a batch into parts of whole pairs. Tensors have an entry for each row or for each pair.</summary>
    public static IReadOnlyList<Batch> Divide(Batch batch, int parts)
    {
        var pairs = Count(batch);
        var count = (int)Math.Min(parts, pairs);
        if (count < 2) return [batch];
        return [.. Enumerable.Range(0, count).Select(part => Part(batch, pairs, pairs * part / count, pairs * (part + 1) / count))];
    }

    private static Batch Part(Batch batch, long pairs, long start, long end)
    {
        long[] chosen = [.. Enumerable.Range((int)start, (int)(end - start)).Select(pair => (long)pair)];
        using var index = tensor([.. chosen, .. chosen.Select(pair => pair + pairs)], ScalarType.Int64);
        Tensor Rows(Tensor each) => each.shape[0] == 2 * pairs ? each.index_select(0, index) : each.narrow(0, start, end - start);
        return new()
        {
            InputIds = Rows(batch.InputIds),
            AttentionMask = batch.AttentionMask is { } mask ? Rows(mask) : null,
            Extra = batch.Extra.ToDictionary(pair => pair.Key, pair => Rows(pair.Value)),
            Weight = batch.Weight * (end - start) / pairs,
        };
    }
}
