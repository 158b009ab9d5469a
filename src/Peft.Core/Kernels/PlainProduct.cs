using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>x·Wᵀ + b without anything trainable.</summary>
internal sealed class PlainProduct : NodeProduct
{
    private readonly FrozenMatrix weight;
    private readonly Tensor? bias;

    private PlainProduct(FrozenMatrix weight, Tensor? bias) => (this.weight, this.bias) = (weight, bias);

    /// <summary>The product; null if the kernels do not support it.</summary>
    /// <param name="weight">W <c>[out, in]</c></param>
    /// <param name="bias">b <c>[out]</c>, or null.</param>
    public static PlainProduct? Of(FrozenMatrix weight, Tensor? bias)
        => weight.IsSupported && (bias is null || (!TensorMemory.Learns(bias) && TensorMemory.Supports(bias))) ? new(weight, bias) : null;

    public override (Tensor Output, Tensor[] Kept) Multiply(Tensor x) => (weight.Multiply(x, bias).AsContiguous(), weight.Kept);

    public override (Tensor Output, Tensor[] Kept) MultiplyAndAdd(Tensor x, Tensor residual)
        => weight.HasKernel(x) ? (MatrixProduct.Run(x, weight.Values!, bias, residual: residual), weight.Kept) : base.MultiplyAndAdd(x, residual);

    public override Tensor[] Prepare(Tensor? x) => weight.Kept;

    public override Tensor MultiplyAgain(Tensor x, ReadOnlySpan<Tensor> saved) => weight.With(saved).Multiply(x, bias).AsContiguous();

    public override Tensor?[] Differentiate(Tensor? x, ReadOnlySpan<Tensor> saved, Tensor gradient, bool inputRequiresGrad, ref Tensor? ofInput)
    {
        if (inputRequiresGrad) weight.With(saved).AddTransposed(gradient, ref ofInput);
        return [];
    }
}
