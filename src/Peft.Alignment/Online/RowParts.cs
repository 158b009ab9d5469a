using static TorchSharp.torch;

namespace Peft;

/// <summary>Parts of batches whose rows are independent.</summary>
internal static class RowParts
{
    /// <summary>Divides a batch into parts of whole rows.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="parts">Maximum number of parts.</param>
    /// <param name="byTokens">True if the loss is a mean over the tokens of completions, false if over rows.</param>
    public static IReadOnlyList<Batch> Divide(Batch batch, int parts, bool byTokens)
    {
        using var scope = NewDisposeScope();
        var rows = batch.InputIds.size(0);
        var count = (int)Math.Min(parts, rows);
        if (count < 2) return [batch];
        var tokens = byTokens ? new Completions(batch).Lengths : null;
        var total = tokens?.sum().item<float>() ?? rows;
        if (total == 0) return [batch];
        var divided = new List<Batch>();
        for (var part = 0; part < count; part++)
        {
            var (start, end) = (rows * part / count, rows * (part + 1) / count);
            var share = tokens?.narrow(0, start, end - start).sum().item<float>() ?? end - start;
            if (batch.Rows(start, end - start, batch.Weight * share / total) is not { } piece) return [batch];
            foreach (var tensor in piece.Extra.Values.Append(piece.InputIds).Append(piece.AttentionMask).OfType<Tensor>()) tensor.DetachFromDisposeScope();
            divided.Add(piece);
        }
        return divided;
    }
}
