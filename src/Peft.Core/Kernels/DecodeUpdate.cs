using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>A low-rank update s·(x·Aᵀ)·Bᵀ of some rows of a decode step, at most <see cref="LowRankStep.MostRows"/>.</summary>
internal sealed unsafe class DecodeUpdate
{
    private readonly LowRankUpdate factors;   // kept alive
    private readonly nint a, b;
    private readonly int inputs, outputs;
    private readonly IReadOnlyList<long>? rows;

    private DecodeUpdate(LowRankUpdate factors, IReadOnlyList<long>? rows, int count)
    {
        (this.factors, this.rows, Count) = (factors, rows, count);
        (a, b, Rank) = (TensorAddress.Of(factors.A), TensorAddress.Of(factors.B), (int)factors.A.size(0));
        (inputs, outputs) = ((int)factors.A.size(1), (int)factors.B.size(0));
    }

    /// <summary>The updates that together update some rows; null if the kernel does not support them.</summary>
    /// <param name="factors">A and B.</param>
    /// <param name="rows">Indices of the rows; null for all.</param>
    /// <param name="count">Number of rows.</param>
    public static DecodeUpdate[]? Of(LowRankUpdate factors, long[]? rows, int count)
    {
        if (!LowRankStep.Supports(factors.A, factors.B)) return null;
        if (count <= LowRankStep.MostRows) return [new(factors, rows, count)];
        rows ??= [.. Enumerable.Range(0, count).Select(row => (long)row)];
        return [.. rows.Chunk(LowRankStep.MostRows).Select(chunk => new DecodeUpdate(factors, chunk, chunk.Length))];
    }

    /// <summary>Number of rows.</summary>
    public int Count { get; }

    /// <summary>The rank.</summary>
    public int Rank { get; }

    /// <summary>Computes s·x·Aᵀ.</summary>
    /// <param name="x"><c>[all rows, inputs]</c></param>
    /// <param name="hidden">Takes the result, <c>[<see cref="Count"/>, rank]</c>.</param>
    public void Reduce(float* x, float* hidden)
    {
        for (var i = 0; i < Count; i++) LowRankStep.Reduce(x + (nint)Row(i) * inputs, (float*)a, hidden + i * Rank, inputs, Rank, (float)factors.Scale);
    }

    /// <summary>Adds the product with Bᵀ to a range of outputs.</summary>
    /// <param name="hidden"><c>[<see cref="Count"/>, rank]</c></param>
    /// <param name="y"><c>[all rows, outputs]</c></param>
    /// <param name="first">The first output.</param>
    /// <param name="count">Number of outputs.</param>
    public void Expand(float* hidden, float* y, int first, int count)
    {
        var to = stackalloc nint[LowRankStep.MostRows];
        for (var i = 0; i < Count; i++) to[i] = (nint)(y + (nint)Row(i) * outputs + first);
        LowRankStep.Expand(hidden, (float*)b + (nint)first * Rank, to, Rank, count, Count);
    }

    private long Row(int i) => rows is null ? i : rows[i];
}
