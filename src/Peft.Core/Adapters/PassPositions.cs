using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// The positions of a forward pass, for adapter layers whose output depends on more than one: a model enters them while its layers run, and layers ask
/// for <see cref="Current"/>.
/// </summary>
public sealed class PassPositions
{
    [ThreadStatic] private static PassPositions? current;

    /// <summary>Those of the pass that runs on this thread; null outside of one.</summary>
    public static PassPositions? Current => current;

    /// <summary>Rows of the batch.</summary>
    public required int Rows { get; init; }

    /// <summary>Whether a position sees the earlier ones only.</summary>
    public bool IsCausal { get; init; }

    /// <summary>1 for what is no padding, <c>[rows, positions]</c>, those that a cache holds among them; null if nothing is.</summary>
    public Tensor? Real { get; init; }

    /// <summary>Lengths of the sequences that lie end to end in the single row; null if rows are single sequences.</summary>
    public IReadOnlyList<int>? PackedLengths { get; init; }

    /// <summary>What a cache remembers of earlier positions; null without one.</summary>
    public IPositionMemory? Memory { get; init; }

    /// <summary>
    /// The mean over the positions that each one sees, padding left out: in a causal model those up to itself, so that nothing looks ahead and a cache
    /// holds what is needed; otherwise all. Outside of a model's pass all positions count.
    /// </summary>
    /// <param name="key">What the values are of: the same object in each pass.</param>
    /// <param name="values"><c>[rows, positions, …]</c></param>
    /// <returns>As many positions in a causal model, otherwise 1.</returns>
    public static Tensor MeanOfSeen(object key, Tensor values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.dim() < 3) return values;
        return current is null || values.dim() > 3 ? values.mean([.. Enumerable.Range(1, (int)values.dim() - 2).Select(i => (long)i)], keepdim: true) : current.Mean(key, values);
    }

    /// <summary>Makes these positions the current ones until the result is disposed, on the same thread.</summary>
    public IDisposable Enter()
    {
        var before = current;
        current = this;
        return new Exit(before);
    }

    /// <summary>A run of the new positions of the current pass, entered while a layer sees it alone; nothing outside of a pass.</summary>
    internal static IDisposable? EnterRun(long start, long length, long of)
        => current is not { } whole ? null
            : new PassPositions { Rows = whole.Rows, IsCausal = whole.IsCausal, Real = whole.Real?.narrow(1, whole.Real.shape[1] - of + start, length) }.Enter();

    private Tensor Mean(object key, Tensor values)
    {
        using var scope = NewDisposeScope();
        var all = Memory?.Append(key, values, PassRows.Current, Rows) ?? values;
        var (length, count) = (values.shape[1], all.shape[1]);
        if (PackedLengths is { } lengths) return cat([.. all.split([.. lengths.Select(each => (long)each)], 1).Select(part => Mean(part, null))], 1).MoveToOuterDisposeScope();
        var real = Real is null ? null : PassRows.Of(Real.narrow(1, Real.shape[1] - count, count)).unsqueeze(-1).to_type(values.dtype);
        var mean = Mean(all, real);
        return (IsCausal ? mean.narrow(1, count - length, length) : mean).MoveToOuterDisposeScope();
    }

    private Tensor Mean(Tensor values, Tensor? real)
    {
        if (real is not null) values = values.mul(real);
        if (!IsCausal) return values.sum(1, keepdim: true).div(real?.sum(1, keepdim: true).clamp(min: Kept(1)) ?? tensor((double)values.shape[1], values.dtype, values.device));
        return values.cumsum(1).div(real?.cumsum(1).clamp(min: Kept(1)) ?? arange(Kept(1), Kept(values.shape[1] + 1), values.dtype, values.device).view(1, -1, 1));
    }

    private sealed class Exit(PassPositions? before) : IDisposable
    {
        public void Dispose() => current = before;
    }
}

/// <summary>Remembers numbers of the positions that a cache holds.</summary>
public interface IPositionMemory
{
    /// <summary>Adds those of new positions.</summary>
    /// <param name="key">What they are of.</param>
    /// <param name="values"><c>[rows, new, width]</c></param>
    /// <param name="rows">Numbers of the rows in the batch, if they are some of its rows.</param>
    /// <param name="batch">Rows of the batch.</param>
    /// <returns>Those of all positions, <c>[rows, past + new, width]</c>.</returns>
    Tensor Append(object key, Tensor values, Tensor? rows, int batch);
}
