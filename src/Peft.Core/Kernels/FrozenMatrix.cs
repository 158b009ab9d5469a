using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>A matrix W <c>[out, in]</c> in products that have no gradient of W: a tensor of values, or a stored weight.</summary>
/// <param name="Values">The values, with any strides; null for a stored weight.</param>
/// <param name="Storage">The stored weight; null for values.</param>
/// <param name="IsTransposed">True if the weight is stored as <c>[in, out]</c>.</param>
internal readonly record struct FrozenMatrix(Tensor? Values, WeightStorage? Storage = null, bool IsTransposed = false)
{
    /// <summary>Number of outputs.</summary>
    public long Rows => Values?.size(0) ?? Storage!.Shape[IsTransposed ? 1 : 0];

    /// <summary>Number of inputs.</summary>
    public long Columns => Values?.size(1) ?? Storage!.Shape[IsTransposed ? 0 : 1];

    /// <summary>True if kernels support its products: in float32 on the CPU, without a gradient for W.</summary>
    public bool IsSupported => Values is not null ? !TensorMemory.Learns(Values) && TensorMemory.Supports(Values) : Storage is { Parameter: null, ComputeType: ScalarType.Float32, Device.type: TorchSharp.DeviceType.CPU };

    /// <summary>Computes x·Wᵀ + b, without gradients.</summary>
    /// <param name="x">x <c>[…, in]</c></param>
    /// <param name="bias">b <c>[out]</c>, or null.</param>
    public Tensor Multiply(Tensor x, Tensor? bias)
    {
        if (Values is not null) return HasKernel(x) ? MatrixProduct.Run(x, Values, bias) : nn.functional.linear(x, Values, bias);
        var product = IsTransposed ? Storage!.TransposedProduct(x) : Storage!.Product(x);
        return (bias is null ? product : product.add_(bias, One)).contiguous();
    }

    /// <summary>True if <see cref="MatrixProduct"/> multiplies such inputs <c>[…, in]</c>.</summary>
    public bool HasKernel(Tensor x) => Values is not null && MatrixProduct.Supports(x, Values, Columns);

    /// <summary>The tensors that a node must save for it.</summary>
    public Tensor[] Kept => Values is null ? [] : [Values];

    /// <summary>The matrix with the tensors that a node saved for it, if any, as the last ones.</summary>
    public FrozenMatrix With(ReadOnlySpan<Tensor> saved) => Values is null ? this : new(saved[^1]);

    /// <summary>Computes y·W, or adds it to a sum, without gradients.</summary>
    public void AddTransposed(Tensor y, ref Tensor? sum)
    {
        using var transposed = Values?.t();
        if (sum is not null && transposed is not null)
        {
            using Tensor rows = y.view(-1, Rows), added = sum.view(-1, Columns);
            if (MatrixProduct.Supports(y, transposed, Rows)) MatrixProduct.RunInto(rows, transposed, added, add: true);
            else added.addmm_(rows, Values!, 1, 1);
            return;
        }
        var product = transposed is not null ? (MatrixProduct.Supports(y, transposed, Rows) ? MatrixProduct.Run(y, transposed, null) : y.matmul(Values!)) : (IsTransposed ? Storage!.Product(y) : Storage!.TransposedProduct(y)).contiguous();
        sum = sum is null ? product : sum.add_(product, One);
    }
}
