using static TorchSharp.torch;

namespace Peft;

/// <summary>The rows of the batch that a layer processes, while only some of them run through its layers.</summary>
public static class PassRows
{
    [ThreadStatic] private static Tensor? current;

    /// <summary>Indices of the rows, <c>[rows]</c>; null for all rows.</summary>
    internal static Tensor? Current => current;

    /// <summary>
    /// Selects the current rows of a tensor whose first dimension is the batch. Returns the tensor itself if all rows are current, or if it has a single row
    /// for all.
    /// </summary>
    public static Tensor Of(Tensor perRow)
    {
        ArgumentNullException.ThrowIfNull(perRow);
        return current is null || perRow.shape[0] == 1 ? perRow : perRow.index_select(0, current.to(perRow.device));
    }

    /// <summary>Restricts the current rows to a subset until the result is disposed. Indices are relative to the rows that are current now.</summary>
    internal static IDisposable Enter(Tensor rows)
    {
        var before = current;
        current = before?.index_select(0, rows.to(before.device)) ?? rows;
        return new Exit(before);
    }

    private sealed class Exit(Tensor? before) : IDisposable
    {
        public void Dispose() => current = before;
    }
}
