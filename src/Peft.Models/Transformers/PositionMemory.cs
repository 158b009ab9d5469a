using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Numbers of the positions that a cache holds, for adapters whose output at one position depends on others; in the rows of the batch.</summary>
internal sealed class PositionMemory : IDisposable
{
    private readonly Dictionary<object, (Tensor Values, int At)> records = [];   // [batch, positions, width], and the length of the cache when it was added to

    /// <summary>Adds numbers of new positions, and gives those of all, of the same rows.</summary>
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
            // Another part of the batch has been here in this pass.
            record.Values.narrow(1, record.Values.shape[1] - values.shape[1], values.shape[1]).index_copy_(0, rows, values);
        }
        else
        {
            var whole = zeros([batch, values.shape[1], values.shape[2]], values.dtype, values.device).index_copy(0, rows, values);
            Keep(key, known ? cat([record.Values, whole], 1) : whole, at);
        }
        var all = records[key].Values;
        return (rows is null ? all.alias() : all.index_select(0, rows)).MoveToOuterDisposeScope();
    }

    /// <summary>Forgets the last positions.</summary>
    public void Drop(int count) => Change(values => values.shape[1] > count ? values.narrow(1, 0, values.shape[1] - count) : null);

    /// <summary>Gives each row so many copies, one after another.</summary>
    public void Repeat(int copies) => Change(values => values.repeat_interleave(copies, 0));

    /// <summary>Puts other rows in each row's place.</summary>
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
