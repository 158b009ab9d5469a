using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Appends the keys and values of a prompt to the KV cache. In inference only.</summary>
/// <param name="keys">Index of the keys.</param>
/// <param name="values">Index of the values.</param>
/// <param name="append">Appends them.</param>
internal sealed class CacheStep(int keys, int values, Action<Tensor, Tensor> append) : NodeStep(keys, values)
{
    public override int Outputs => 0;

    public override Tensor[] Forward(Tensor[] values, List<Tensor> kept)
    {
        append(values[0], values[1]);
        return [];
    }

    public override Tensor[] Again(Tensor[] values, ReadOnlySpan<Tensor> saved) => throw new NotSupportedException();

    public override Tensor?[] Backward(Tensor[] values, ReadOnlySpan<Tensor> saved, Tensor[] gradients, bool[] wanted) => throw new NotSupportedException();
}
