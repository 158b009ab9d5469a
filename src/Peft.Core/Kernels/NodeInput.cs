using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>The input of the products in a <see cref="LinearNode"/>, computed from tensors that the graph keeps anyway, so that the node need not keep it.</summary>
/// <param name="sources">The tensors.</param>
internal abstract class NodeInput(params Tensor[] sources)
{
    /// <summary>The tensors from which the input is computed, contiguous.</summary>
    public Tensor[] Sources { get; } = sources;

    /// <summary>Computes the input, <c>[…, in]</c>.</summary>
    public abstract Tensor Compute(IReadOnlyList<Tensor> sources);

    /// <summary>Computes the gradients of the sources, one or null for each.</summary>
    /// <param name="sources">The tensors from which the input was computed.</param>
    /// <param name="gradient">The gradient of the input, which may be overwritten.</param>
    public abstract Tensor?[] Differentiate(IReadOnlyList<Tensor> sources, Tensor gradient);
}
