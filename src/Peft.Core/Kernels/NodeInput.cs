using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>The input of the products in a <see cref="LinearStep"/>, computed from values that the graph keeps anyway, so that the step need not keep it.</summary>
/// <param name="constants">Tensors from which it is computed besides the values, contiguous.</param>
internal abstract class NodeInput(params Tensor[] constants)
{
    /// <summary>Tensors from which the input is computed besides the values, contiguous.</summary>
    public Tensor[] Constants { get; } = constants;

    /// <summary>Those of them that are trained.</summary>
    public Tensor[] Trained { get; } = Array.FindAll(constants, constant => constant.requires_grad);

    /// <summary>True if <see cref="Differentiate"/> needs the sources.</summary>
    public virtual bool NeedsSources => true;

    /// <summary>Computes the input, <c>[…, in]</c>, or returns a source.</summary>
    /// <param name="sources">The values, contiguous, then the constants.</param>
    public abstract Tensor Compute(IReadOnlyList<Tensor> sources);

    /// <summary>Computes the gradients of the values, one for each.</summary>
    /// <param name="sources">The values, then the constants.</param>
    /// <param name="gradient">The gradient of the input, which may be overwritten.</param>
    public abstract Tensor[] Differentiate(IReadOnlyList<Tensor> sources, Tensor gradient);

    /// <summary>Computes the gradients of the trained constants, one for each. Null if it was added to <see cref="DirectGradients"/>.</summary>
    /// <param name="sources">The values, then the constants.</param>
    /// <param name="gradient">The gradient of the input.</param>
    public virtual Tensor?[] DifferentiateTrained(IReadOnlyList<Tensor> sources, Tensor gradient) => [];
}
