using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// The positions of a forward pass, for adapter layers whose output depends on more than one position. The model enters them while its layers run, and layers
/// read <see cref="Current"/>.
/// </summary>
public sealed class PassPositions
{
    [ThreadStatic] private static PassPositions? current;

    /// <summary>The positions of the pass that runs on this thread; null outside of a pass.</summary>
    public static PassPositions? Current => current;

    /// <summary>Number of rows of the batch.</summary>
    public required int Rows { get; init; }

    /// <summary>True if each position attends only to itself and earlier ones.</summary>
    public bool IsCausal { get; init; }

    /// <summary>Attention mask <c>[rows, positions]</c>, including cached positions: 1 for tokens, 0 for padding; null if there is no padding.</summary>
    public Tensor? Real { get; init; }

    /// <summary>Lengths of the sequences that are packed into the single row; null if each row is one sequence.</summary>
    public IReadOnlyList<int>? PackedLengths { get; init; }

    /// <summary>Memory of cached positions; null without a cache.</summary>
    public IPositionMemory? Memory { get; init; }

    /// <summary>
    /// The mean over the positions that each one sees, without padding. In a causal model these are the positions up to itself, so that no future position leaks in and
    /// a cache can provide the earlier ones; otherwise all positions. Outside of a model's pass all positions count.
    /// </summary>
    /// <param name="key">Identifies the values: the same object in each pass.</param>
    /// <param name="values"><c>[rows, positions, …]</c></param>
    /// <returns>One mean per position in a causal model, otherwise a single one.</returns>
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

    /// <summary>Enters a span of the current pass's new positions while a layer processes only that span; null outside of a pass.</summary>
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

/// <summary>Stores values of the positions that a cache holds.</summary>
public interface IPositionMemory
{
    /// <summary>Appends the values of new positions.</summary>
    /// <param name="key">Identifies the values.</param>
    /// <param name="values"><c>[rows, new, width]</c></param>
    /// <param name="rows">Indices of the rows within the batch; null for all rows.</param>
    /// <param name="batch">Number of rows of the batch.</param>
    /// <returns>The values of all positions, <c>[rows, past + new, width]</c>.</returns>
    Tensor Append(object key, Tensor values, Tensor? rows, int batch);
}
