using static TorchSharp.torch;

namespace Peft;

/// <summary>The positions of a forward pass, for adapter layers whose output depends on more than one position.</summary>
public sealed class PassPositions
{
    /// <summary>Number of rows of the batch.</summary>
    public required int Rows { get; init; }

    /// <summary>True if each position attends only to itself and earlier ones.</summary>
    public bool IsCausal { get; init; }

    /// <summary>Attention mask <c>[rows, positions]</c>, including cached positions: 1 for tokens, 0 for padding; null if there is no padding.</summary>
    public Tensor? Real { get; init; }

    /// <summary>Lengths of the sequences packed into the single row; null if each row is one sequence.</summary>
    public IReadOnlyList<int>? PackedLengths { get; init; }

    /// <summary>Number of positions before the new ones, in a cache or a prefix.</summary>
    public int Past { get; init; }

    /// <summary>Number of virtual tokens at the beginning of all positions, past and new. In a row with fewer virtual tokens, padding precedes them.</summary>
    public int VirtualTokens { get; init; }

    /// <summary>Memory of cached positions; null without a cache.</summary>
    public IPositionMemory? Memory { get; init; }

    /// <summary>
    /// Computes, for each position, the mean over the positions to which it attends, without padding. In a causal model, these are the positions up to itself, so that future positions do not leak and
    /// a cache can provide the earlier ones. Otherwise, and outside a model's forward pass, these are all positions.
    /// </summary>
    /// <param name="key">Identifies the values: the same object in each forward pass.</param>
    /// <param name="values"><c>[rows, positions, …]</c></param>
    /// <returns>One mean per position in a causal model and for packed sequences; otherwise one per row.</returns>
    public static Tensor MeanOfSeen(object key, Tensor values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.dim() < 3) return values;
        return ForwardPass.Current.Positions is not { } positions || values.dim() > 3 ? values.mean([.. Enumerable.Range(1, (int)values.dim() - 2).Select(i => (long)i)], keepdim: true) : positions.Mean(key, values);
    }

    /// <summary>Selects a span of the new positions, for a layer that processes only that span as a separate sequence.</summary>
    internal PassPositions Run(long start, long length, long of) => new() { Rows = Rows, IsCausal = IsCausal, Real = Real?.narrow(1, Real.size(1) - of + start, length), VirtualTokens = (int)Math.Clamp(VirtualTokens - Past - start, 0, length) };

    private Tensor Mean(object key, Tensor values)
    {
        using var scope = NewDisposeScope();
        var all = Memory?.Append(key, values, ForwardPass.Current.Rows, Rows) ?? values;
        var (length, count) = (values.size(1), all.size(1));
        if (PackedLengths is { } lengths) return cat([.. all.split([.. lengths.Select(each => (long)each)], 1).Select(part => Mean(part, null).expand(-1, part.size(1), -1))], 1).MoveToOuterDisposeScope();
        var real = Real is null ? null : ForwardPass.SelectRows(Real.narrow(1, Real.size(1) - count, count)).unsqueeze(-1).to_type(values.dtype);
        var mean = Mean(all, real);
        return (IsCausal ? mean.narrow(1, count - length, length) : mean).MoveToOuterDisposeScope();
    }

    private Tensor Mean(Tensor values, Tensor? real)
    {
        if (real is not null) values = values.mul(real);
        if (!IsCausal) return values.sum(1, keepdim: true).div(real?.sum(1, keepdim: true).clamp(min: Constant(1)) ?? tensor((double)values.size(1), values.dtype, values.device));
        return values.cumsum(1).div(real?.cumsum(1).clamp(min: Constant(1)) ?? arange(Constant(1), Constant(values.size(1) + 1), One, values.dtype, values.device).view(1, -1, 1));
    }
}
