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

    public override Tensor[] Forward(Tensor[] values, List<Tensor> kept) => Split(values);

    public override Tensor[] Again(Tensor[] values, ReadOnlySpan<Tensor> saved) => Split(values);

    private Tensor[] Split(Tensor[] values)
    {
        var (batch, length) = (values[0].size(0), values[0].size(1));
        using var apart = perHead ? values[0].view(batch, length, heads, 3, size) : values[0].alias();
        var (first, result) = (0L, new Tensor[Outputs]);
        for (var i = 0; i < Outputs; i++)
        {
            var width = (i == 0 ? heads : keyValueHeads) * size;
            using var part = perHead ? apart.narrow(3, i, 1) : apart.narrow(-1, first, width);
            using var shaped = perHead ? part.view(batch, length, heads, size) : part.alias();
            result[i] = CachingAllocator.Empty([batch, length, width]);
            using var to = result[i].view(shaped.Sizes());
            to.copy_(shaped);
            first += width;
        }
        return result;
    }

    public override Tensor?[] Backward(Tensor[] values, ReadOnlySpan<Tensor> saved, Tensor[] gradients, bool[] wanted)
    {
        if (!perHead) return [cat([gradients[0], gradients[1], gradients[2]], -1)];
        var (batch, length) = (gradients[0].size(0), gradients[0].size(1));
        return [stack([.. gradients.Select(gradient => gradient.view(batch, length, heads, size))], 3).view(batch, length, -1)];
    }
}
