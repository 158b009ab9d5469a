using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>A product with a matrix W, x·Wᵀ + b, in a <see cref="LinearStep"/>: frozen, perhaps with trainable factors, or trained.</summary>
internal abstract class NodeProduct
{
    /// <summary>The trainable tensors, contiguous.</summary>
    public virtual Tensor[] Trained => [];

    /// <summary>Computes the output.</summary>
    /// <param name="x">The input <c>[…, in]</c>, contiguous.</param>
    /// <returns>The output <c>[…, out]</c>, contiguous, and what the backward pass needs besides the input and the trainable tensors.</returns>
    public abstract (Tensor Output, Tensor[] Kept) Multiply(Tensor x);

    /// <summary>What <see cref="Multiply"/> keeps, without the output.</summary>
    /// <param name="x">The input; null if nothing is trainable.</param>
    public abstract Tensor[] Prepare(Tensor? x);

    /// <summary>Computes the output again in the backward pass.</summary>
    /// <param name="x">The input.</param>
    /// <param name="saved">The trainable tensors, then the kept ones.</param>
    public abstract Tensor MultiplyAgain(Tensor x, ReadOnlySpan<Tensor> saved);

    /// <summary>Computes the output plus a residual <c>[…, out]</c>, contiguous.</summary>
    /// <inheritdoc cref="Multiply"/>
    public virtual (Tensor Output, Tensor[] Kept) MultiplyAndAdd(Tensor x, Tensor residual)
    {
        var (output, kept) = Multiply(x);
        output.add_(residual, One);
        return (output, kept);
    }

    /// <summary>Computes gradients.</summary>
    /// <param name="x">The input; null if nothing is trainable.</param>
    /// <param name="saved">The trainable tensors, then the kept ones.</param>
    /// <param name="gradient">The gradient of the output.</param>
    /// <param name="ofInput">Takes the gradient of the input, which is added if there is one already; not changed if not needed.</param>
    /// <param name="inputRequiresGrad">True if the gradient of the input is needed.</param>
    /// <returns>The gradients of the trainable tensors, one or null for each. Null if it was added to <see cref="DirectGradients"/>.</returns>
    public abstract Tensor?[] Differentiate(Tensor? x, ReadOnlySpan<Tensor> saved, Tensor gradient, bool inputRequiresGrad, ref Tensor? ofInput);
}
