using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Divides a joined projection <c>[batch, sequence, (heads + 2 · key/value heads) · size]</c> into queries, keys and values.</summary>
/// <param name="joined">Index of the projection.</param>
/// <param name="heads">Number of query heads.</param>
/// <param name="keyValueHeads">Number of key and value heads.</param>
/// <param name="size">Size of a head.</param>
/// <param name="perHead">True if each head's query, key and value lie side by side.</param>
internal sealed class SplitStep(int joined, int heads, int keyValueHeads, int size, bool perHead) : NodeStep(joined)
{
    public override int Outputs => 3;

    public override bool Keeps(int read) => false;

    public override Tensor[] Forward(Tensor[] values, List<Tensor> kept)
    {
        var (batch, length) = (values[0].shape[0], values[0].shape[1]);
        if (perHead)
        {
            using var apart = values[0].view(batch, length, heads, 3, size);
            return [.. Enumerable.Range(0, 3).Select(i => Part(apart, 3, i, 1).view(batch, length, -1))];
        }
        return [Part(values[0], -1, 0, heads * size), Part(values[0], -1, heads * size, keyValueHeads * size), Part(values[0], -1, (heads + keyValueHeads) * size, keyValueHeads * size)];
    }

    public override Tensor?[] Backward(Tensor[] values, ReadOnlySpan<Tensor> saved, Tensor[] gradients, bool[] wanted)
    {
        if (!perHead) return [cat([gradients[0], gradients[1], gradients[2]], -1)];
        var (batch, length) = (gradients[0].shape[0], gradients[0].shape[1]);
        return [stack([.. gradients.Select(gradient => gradient.view(batch, length, heads, size))], 3).view(batch, length, -1)];
    }

    private static Tensor Part(Tensor from, long dimension, long start, long count)
    {
        using var part = from.narrow(dimension, start, count);
        return part.contiguous();
    }
}
