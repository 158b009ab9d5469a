using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Divides batches into micro-batches with about the same number of tokens. The weight of each is its fraction of the labels that the loss averages.</summary>
internal static class BatchDivision
{
    // With 32 tokens each, two micro-batches of gpt2 still take a fifth less time than one batch. Fewer tokens were not measured.
    private const long MinTokens = 32;

    /// <summary>The micro-batches, or the whole batch if it cannot be divided.</summary>
    /// <param name="batch">The batch, with labels.</param>
    /// <param name="parts">Maximum number of micro-batches.</param>
    /// <param name="firstLabel">The first position whose label counts: 1 for next-token prediction.</param>
    public static IReadOnlyList<Batch> Of(Batch batch, int parts, int firstLabel)
    {
        // Errors in the batch are reported by its loss.
        if (batch.InputIds is not { IsInvalid: false } ids || ids.dim() == 0) return [batch];
        parts = (int)Math.Min(parts, ids.numel() / MinTokens);
        if (parts < 2 || batch.InputIds.device_type != DeviceType.CPU || batch.Labels is not { } labels) return [batch];
        var counts = batch.PackedLengths is { } lengths ? PerSequence(labels, lengths, firstLabel) : PerRow(labels, firstLabel);
        if (counts is null || counts.Length < 2) return [batch];
        double total = counts.Sum();
        if (total == 0) return [batch];
        var made = new List<Batch>();
        parts = Math.Min(parts, counts.Length);
        foreach (var chosen in batch.PackedLengths is { } packed ? BalancedParts.Of(packed, parts) : EqualParts(counts.Length, parts))
        {
            double counted = chosen.Sum(item => counts[item]);
            if (counted == 0) continue;   // no labels there
            var weight = batch.Weight * counted / total;
            if ((batch.PackedLengths is null ? batch.Rows(chosen[0], chosen.Length, weight) : batch.Sequences(chosen, weight)) is not { } part)
            {
                foreach (var each in made) each.Dispose();
                return [batch];
            }
            made.Add(part);
        }
        return made;
    }

    // Rows have the same length.
    private static IEnumerable<int[]> EqualParts(int rows, int parts)
        => Enumerable.Range(0, parts).Select(part => Enumerable.Range(rows * part / parts, rows * (part + 1) / parts - rows * part / parts).ToArray());

    private static long[]? PerRow(Tensor labels, int firstLabel)
    {
        if (labels.IsInvalid || labels.shape is not [var rows, ..] || (labels.dim() == 2 && labels.size(1) < firstLabel)) return null;
        // Rows of regression targets or multi-label targets have equal weights.
        if (labels.is_floating_point()) return [.. Enumerable.Repeat(1L, (int)rows)];
        if (labels.dim() > 2) return null;
        using var scope = NewDisposeScope();
        var counted = labels.dim() == 1 ? labels.unsqueeze(1) : labels.narrow(1, firstLabel, labels.size(1) - firstLabel);
        return [.. counted.ne(Constant(Batch.IgnoredLabel)).sum(dim: 1).data<long>()];
    }

    private static long[]? PerSequence(Tensor labels, IReadOnlyList<int> lengths, int firstLabel)
    {
        if (labels.IsInvalid || labels.dtype != ScalarType.Int64 || labels.numel() != lengths.Sum(length => (long)length) || lengths.Any(length => length < 1)) return null;
        using var flat = labels.contiguous();
        var values = flat.data<long>().ToArray();
        var counts = new long[lengths.Count];
        for (int i = 0, start = 0; i < counts.Length; start += lengths[i++])
            counts[i] = values.AsSpan(start + firstLabel, lengths[i] - firstLabel).ToArray().Count(label => label != Batch.IgnoredLabel);
        return counts;
    }
}
