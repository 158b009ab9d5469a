using static TorchSharp.torch;

namespace Peft;

/// <summary>Which rows of the batch a layer sees, while a part of them runs through layers of its own.</summary>
public static class PassRows
{
    [ThreadStatic] private static Tensor? current;

    /// <summary>Numbers of the rows, <c>[rows]</c>; null where all are seen.</summary>
    internal static Tensor? Current => current;

    /// <summary>What belongs to the rows that are seen, of a tensor with the batch's rows in its first dimension: the tensor itself where all are, and where it has one row for all.</summary>
    public static Tensor Of(Tensor perRow)
    {
        ArgumentNullException.ThrowIfNull(perRow);
        return current is null || perRow.shape[0] == 1 ? perRow : perRow.index_select(0, current.to(perRow.device));
    }

    /// <summary>Makes rows, counted among those seen so far, the ones that are seen until the result is disposed.</summary>
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
