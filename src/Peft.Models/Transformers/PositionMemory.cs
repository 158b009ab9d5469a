using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Values per cached position and row, for adapters whose output at one position depends on other positions.</summary>
internal sealed class PositionMemory : IDisposable
{
    private readonly Dictionary<object, (Tensor Values, int At)> records = [];   // [batch, positions, width], and the length of the cache at the last append

    /// <summary>Appends the values of new positions and returns those of all positions, for the given rows.</summary>
    public Tensor Append(object key, Tensor values, Tensor? rows, int batch, int at)
    {
        using var scope = NewDisposeScope();
        var known = records.TryGetValue(key, out var record);
        if (rows is null)
        {
            Keep(key, known ? cat([record.Values, values], 1) : values.alias(), at);
        }
        else if (known && record.At == at)
        {
            // Other rows of the batch have already appended in this pass.
            record.Values.narrow(1, record.Values.size(1) - values.size(1), values.size(1)).index_copy_(0, rows, values);
        }
        else
        {
            var whole = zeros([batch, values.size(1), values.size(2)], values.dtype, values.device).index_copy(0, rows, values);
            Keep(key, known ? cat([record.Values, whole], 1) : whole, at);
        }
        var all = records[key].Values;
        return (rows is null ? all.alias() : all.index_select(0, rows)).MoveToOuterDisposeScope();
    }

    /// <summary>Drops the last positions.</summary>
    public void Drop(int count) => Change(values => values.size(1) > count ? values.narrow(1, 0, values.size(1) - count) : null);

    /// <summary>Replaces each row by adjacent copies of it.</summary>
    public void Repeat(int copies) => Change(values => values.repeat_interleave(copies, 0));

    /// <summary>Replaces each row by another row.</summary>
    public void Reorder(Tensor rows) => Change(values => values.index_select(0, rows.to(values.device)));

    private void Change(Func<Tensor, Tensor?> change)
    {
        foreach (var key in records.Keys.ToList()) Keep(key, change(records[key].Values), -1);
    }

    private void Keep(object key, Tensor? values, int at)
    {
        if (records.Remove(key, out var old)) old.Values.Dispose();
        if (values is not null) records.Add(key, (values.DetachFromDisposeScope(), at));
    }

    /// <inheritdoc/>
    public void Dispose() => Change(_ => null);
}
