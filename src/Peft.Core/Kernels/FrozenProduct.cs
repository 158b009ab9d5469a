using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>x·Wᵀ + b with a frozen matrix W in a module's forward pass, by <see cref="MatrixProduct"/> forward and backward.</summary>
internal static class FrozenProduct
{
    /// <summary>True if the kernel supports such tensors.</summary>
    /// <param name="input"><c>[…, in]</c></param>
    /// <param name="weight">W <c>[out, in]</c>, stored by rows or by columns.</param>
    /// <param name="bias">b <c>[out]</c>, or null.</param>
    /// <param name="inputs">Length of an input.</param>
    public static bool Supports(Tensor input, Tensor weight, Tensor? bias, long inputs)
        => MatrixProduct.Supports(input, weight, inputs) && !weight.requires_grad && bias?.requires_grad != true && (bias is null || TensorMemory.Supports(bias));

    /// <returns><c>[…, out]</c></returns>
    public static Tensor Run(Tensor input, Tensor weight, Tensor? bias)
    {
        if (TensorMemory.RequiresGrad(input)) return LinearStep.Run(new PlainInput(), [input.AsContiguous()], null, PlainProduct.Of(new(weight), bias)!)[0];
        using var dense = input.is_contiguous() ? input.alias() : input.contiguous();
        return MatrixProduct.Run(dense, weight, bias);
    }
}
