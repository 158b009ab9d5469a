using Peft.Kernels;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// The weight of a module in any form: a floating-point parameter, or codes of a few bits. Every read of a frozen weight, every
/// product with it and every merge into it goes through its storage, so that adapters need not distinguish quantized weights from plain ones.
/// </summary>
/// <remarks>A new form of storage implements the abstract members. Faster products are optional.</remarks>
public abstract class WeightStorage
{
    /// <summary>Shape of the weight in its module, such as <c>[out, in]</c>.</summary>
    public abstract IReadOnlyList<long> Shape { get; }

    /// <summary>Dtype of the values that <see cref="Read"/> returns, and of products.</summary>
    public abstract ScalarType ComputeType { get; }

    /// <summary>Device of the values.</summary>
    public abstract Device Device { get; }

    /// <summary>Size of the stored values, in bytes.</summary>
    public abstract long Bytes { get; }

    /// <summary>The parameter, if the weight is one; null if the values are stored in another form and have no gradient.</summary>
    public Parameter? Parameter => (this as ParameterStorage)?.Value;

    /// <summary>Identifies the weight among those of a model. Two modules with the same object share one weight (tied embeddings).</summary>
    protected internal virtual object Identity => this;

    /// <summary>Receives the gradient of values that are not a parameter; null if it is not requested.</summary>
    internal WeightGradient? Gradient { get; set; }

    /// <summary>Reads the values in the weight's <see cref="Shape"/>, in <see cref="ComputeType"/>. The caller disposes the tensor.</summary>
    public abstract Tensor Read();

    /// <summary>Computes x·Wᵀ for a matrix W <c>[out, in]</c> and an input <c>[…, in]</c>. The gradient of the input is computed from the stored values, without a copy of them.</summary>
    /// <exception cref="ArgumentException">The input does not fit.</exception>
    public Tensor Multiply(Tensor input) => StoredProduct.Run(Fitting(input, 1), this, transposed: false);

    /// <summary>Computes y·W for a matrix W <c>[out, in]</c> and an input <c>[…, out]</c>, with gradients as for <see cref="Multiply"/>.</summary>
    /// <exception cref="ArgumentException">The input does not fit.</exception>
    public Tensor MultiplyTransposed(Tensor input) => StoredProduct.Run(Fitting(input, 0), this, transposed: true);

    /// <summary>Computes x·Wᵀ without gradients, by default from the values that <see cref="Read"/> returns.</summary>
    protected internal virtual Tensor Product(Tensor input)
    {
        using var weight = Read();
        return nn.functional.linear(input, weight);
    }

    /// <summary>Computes y·W without gradients, by default from the values that <see cref="Read"/> returns.</summary>
    protected internal virtual Tensor TransposedProduct(Tensor input)
    {
        using var weight = Read();
        using var transposed = weight.t();
        return nn.functional.linear(input, transposed);   // unlike matmul, its errors are exceptions
    }

    /// <summary>The matrix <c>[out, in]</c> as a decode step reads it; null if there is no kernel for it.</summary>
    /// <param name="transposed">True if the weight is <c>[in, out]</c>.</param>
    internal virtual DecodeMatrix? DecodeMatrix(bool transposed) => null;

    private Tensor Fitting(Tensor input, int side)
    {
        TensorRules.RequireAlive(input, nameof(input));
        var shape = Shape;
        if (shape.Count != 2) throw new ArgumentException($"The weight is [{string.Join(", ", shape)}], but only a matrix has products.", nameof(input));
        if (input.dim() == 0 || input.size(-1) != shape[side] || input.dtype != ComputeType)
            throw new ArgumentException($"The input is {TensorRules.Describe(input)}, but must be {ComputeType} with {shape[side]} values in its last dimension.", nameof(input));
        return input;
    }

    /// <summary>Replaces the values, for merging.</summary>
    /// <param name="values">The values, in the weight's shape.</param>
    /// <returns>The previous values, for <see cref="Restore"/>. The caller owns them.</returns>
    protected internal abstract WeightStorage Replace(Tensor values);

    /// <summary>Restores values that <see cref="Replace"/> returned, exactly.</summary>
    protected internal abstract void Restore(WeightStorage previous);

    /// <summary>Moves the values to a device, and sets the dtype that <see cref="Read"/> returns. Null leaves either unchanged.</summary>
    protected internal abstract void Convert(ScalarType? computeType, Device? device);

    /// <summary>Releases the values: when their module is disposed or gets other values, and for values that <see cref="Replace"/> returned.</summary>
    protected internal abstract void Release();
}
