using static TorchSharp.torch;

namespace Peft;

/// <summary>The positions of a forward pass, for adapter layers whose output depends on more than one.</summary>
public sealed class PassPositions
{
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
        return ForwardPass.Current.Positions is not { } positions || values.dim() > 3 ? values.mean([.. Enumerable.Range(1, (int)values.dim() - 2).Select(i => (long)i)], keepdim: true) : positions.Mean(key, values);
    }

    /// <summary>A run of the new positions, for a layer that sees it alone.</summary>
    internal PassPositions Run(long start, long length, long of) => new() { Rows = Rows, IsCausal = IsCausal, Real = Real?.narrow(1, Real.shape[1] - of + start, length) };

    private Tensor Mean(object key, Tensor values)
    {
        using var scope = NewDisposeScope();
        var all = Memory?.Append(key, values, ForwardPass.Current.Rows, Rows) ?? values;
        var (length, count) = (values.shape[1], all.shape[1]);
        if (PackedLengths is { } lengths) return cat([.. all.split([.. lengths.Select(each => (long)each)], 1).Select(part => Mean(part, null))], 1).MoveToOuterDisposeScope();
        var real = Real is null ? null : ForwardPass.SelectRows(Real.narrow(1, Real.shape[1] - count, count)).unsqueeze(-1).to_type(values.dtype);
        var mean = Mean(all, real);
        return (IsCausal ? mean.narrow(1, count - length, length) : mean).MoveToOuterDisposeScope();
    }

    private Tensor Mean(Tensor values, Tensor? real)
    {
        if (real is not null) values = values.mul(real);
        if (!IsCausal) return values.sum(1, keepdim: true).div(real?.sum(1, keepdim: true).clamp(min: Kept(1)) ?? tensor((double)values.shape[1], values.dtype, values.device));
        return values.cumsum(1).div(real?.cumsum(1).clamp(min: Kept(1)) ?? arange(Kept(1), Kept(values.shape[1] + 1), One, values.dtype, values.device).view(1, -1, 1));
    }
}
