using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>A decoder layer in a decode step, or for all positions of prompts: five jobs of all threads, over memory that is allocated once.</summary>
/// <param name="Attention">Sizes and settings of the attention.</param>
/// <param name="IsJoinedPerHead">True if a joined projection has each head's query, key and value side by side.</param>
/// <param name="Activation">The activation function, which <see cref="ActivationKernel"/> supports.</param>
/// <param name="IsGated">True if the feed-forward network is act(gate(x)) ∘ up(x).</param>
/// <param name="IsParallel">True if attention and feed-forward network read the same input.</param>
internal sealed unsafe record DecodeBlock(AttentionShape Attention, bool IsJoinedPerHead, string Activation, bool IsGated, bool IsParallel)
{
    /// <summary>The norms before attention and feed-forward network.</summary>
    public required (DecodeNorm Attention, DecodeNorm FeedForward) Norms { get; init; }

    /// <summary>The norms after them; null for none.</summary>
    public (DecodeNorm? Attention, DecodeNorm? FeedForward) OutputNorms { get; init; }

    /// <summary>The norms of queries and keys; null for none.</summary>
    public (DecodeNorm? Query, DecodeNorm? Key) HeadNorms { get; init; }

    /// <summary>The projections of queries, keys and values, or the joined one.</summary>
    public required DecodeLinear[] Projections { get; init; }

    /// <summary>The output projection of the attention.</summary>
    public required DecodeLinear Output { get; init; }

    /// <summary>The gate and the projection up, or the joined one, or the projection up alone.</summary>
    public required DecodeLinear[] Wide { get; init; }

    /// <summary>The projection back to the hidden size.</summary>
    public required DecodeLinear Down { get; init; }

    /// <summary>Computes the layer's output <c>[rows, 1, hidden]</c>.</summary>
    /// <param name="input"><c>[rows, 1, hidden]</c>, contiguous.</param>
    /// <param name="keys">The key cache, <c>[rows, key/value heads, capacity, size]</c>; the new keys are written into it.</param>
    /// <param name="values">The value cache, likewise.</param>
    /// <param name="past">Number of positions already in the cache.</param>
    /// <param name="cosine">Cosines of the new position's angles, <c>[rotated]</c> or <c>[rows, rotated]</c> in any shape; null without a rotary embedding.</param>
    /// <param name="sine">Sines, with the sign of their half.</param>
    /// <param name="firsts">The first position of each row; null if all begin at 0.</param>
    /// <param name="prompts">Lengths of prompts whose positions are the rows; null for a decode step.</param>
    public Tensor Run(Tensor input, Tensor keys, Tensor values, int past, Tensor? cosine, Tensor? sine, IReadOnlyList<int>? firsts, IReadOnlyList<int>? prompts = null)
    {
        var (hidden, width, heads) = (Output.Matrix.Outputs, Down.Matrix.Inputs, Attention.Heads * Attention.Size);
        var rows = (int)(input.numel() / hidden);
        var result = empty([rows, 1, hidden], ScalarType.Float32);
        var (projected, wide) = (Projections.Sum(each => each.Matrix.Outputs), Wide.Sum(each => each.Matrix.Outputs));
        using var scratch = new Scratch(rows * (hidden + projected + heads + wide));
        float* x = Address(input), y = Address(result), normal = scratch.Take(rows * hidden), mixed = scratch.Take(rows * heads), inner = scratch.Take(rows * wide), all = scratch.Take(rows * projected);

        InRanges(rows, (first, count) => Norms.Attention.Run(x + first * hidden, normal + first * hidden, count));
        DecodeProducts.Run(normal, rows, Projections, Places(Projections, all, rows));
        var at = Heads(all, rows);
        InRanges(rows, (first, count) =>
        {
            for (var row = first; row < first + count; row++)
            {
                float* queries = at.Queries + row * at.QueryRow, newKeys = at.Keys + row * at.KeyRow;
                HeadNorms.Query?.Run(queries, queries, Attention.Heads, at.Head);
                HeadNorms.Key?.Run(newKeys, newKeys, Attention.KeyValueHeads, at.Head);
            }
        });
        var room = (int)(keys.numel() / ((long)(prompts?.Count ?? rows) * Attention.KeyValueHeads * Attention.Size));
        using (var c = cosine?.contiguous())
        using (var s = sine?.contiguous())
            DecodeAttention.Run(at, Address(keys), Address(values), mixed, rows, past, room, Attention, Address(c), Address(s), c?.numel() > Attention.Rotated, firsts, prompts);
        DecodeProducts.Run(mixed, rows, [Output], [(nint)y]);
        InRanges(rows, (first, count) =>
        {
            float* from = x + first * hidden, to = y + first * hidden;
            OutputNorms.Attention?.Run(to, to, count);
            Add(from, to, count * hidden);
            Norms.FeedForward.Run(IsParallel ? from : to, normal + first * hidden, count);
        });
        DecodeProducts.Run(normal, rows, Wide, Places(Wide, inner, rows));
        if (IsGated && Wide.Length == 1) ActivateJoined(inner, rows, width);
        else InRanges(rows, (first, count) => ActivationKernel.Run(Activation, inner + first * width, IsGated ? inner + (rows + first) * width : null, inner + first * width, count * width));
        DecodeProducts.Run(inner, rows, [Down], [(nint)normal]);
        InRanges(rows, (first, count) =>
        {
            float* from = normal + first * hidden, to = y + first * hidden;
            OutputNorms.FeedForward?.Run(from, from, count);
            Add(from, to, count * hidden);
        });
        GC.KeepAlive(input);
        return result;
    }

    private static float* Address(Tensor? tensor) => tensor is null ? null : (float*)TensorAddress.Of(tensor);

    // The outputs of each module, one after another.
    private static nint[] Places(DecodeLinear[] linears, float* first, int rows)
    {
        var places = new nint[linears.Length];
        for (var i = 0; i < places.Length; i++)
        {
            places[i] = (nint)first;
            first += rows * linears[i].Matrix.Outputs;
        }
        return places;
    }

    private DecodeHeads Heads(float* projected, int rows)
    {
        int size = Attention.Size, queries = Attention.Heads * size, keys = Attention.KeyValueHeads * size, row = queries + 2 * keys;
        if (Projections.Length == 3) return new(projected, projected + rows * queries, projected + rows * (queries + keys), queries, keys, size);
        return IsJoinedPerHead
            ? new(projected, projected + size, projected + 2 * size, row, row, 3 * size)
            : new(projected, projected + queries, projected + queries + keys, row, row, size);
    }

    // From rows of gate and up side by side to the input of the last projection, [rows, width] from the beginning.
    private void ActivateJoined(float* inner, int rows, int width)
    {
        for (var row = 0; row < rows; row++)
        {
            var gate = inner + row * 2 * width;
            ActivationKernel.Run(Activation, gate, gate + width, gate, width);
            new ReadOnlySpan<float>(gate, width).CopyTo(new Span<float>(inner + row * width, width));
        }
    }

    // The rows of a decode step are too few for a second thread.
    private static void InRanges(int rows, Action<int, int> range)
    {
        if (rows <= DecodeProducts.MostRows) range(0, rows);
        else TensorMemory.InRanges(rows, 1, range);
    }

    private static void Add(float* x, float* sum, int count)
    {
        for (var i = 0; i < count; i += 8) (Vector256.Load(x + i) + Vector256.Load(sum + i)).Store(sum + i);
    }
}
