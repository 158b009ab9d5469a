using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Modules;

/// <summary>y = x·Wᵀ + b, with W [out, in]: <c>[…, in]</c> to <c>[…, out]</c>.</summary>
public sealed class Linear(long inputs, long outputs, bool bias = true, ScalarType? dtype = null, Device? device = null)
    : AdaptableModule([outputs, inputs], bias ? outputs : null, dtype, device)
{
    /// <inheritdoc/>
    public override Tensor Apply(Tensor input, Tensor weight, Tensor? bias)
        => DecodeProduct.Supports(input, weight, bias, inputs) ? DecodeProduct.Run(input, weight, bias, (int)inputs)
            : SkinnyProduct.Supports(input, weight, bias, inputs) ? SkinnyProduct.Run(input, weight, bias, (int)inputs)
            : LinearProduct.Supports(input, weight, bias, inputs) ? LinearProduct.Run(input, weight, bias)
            : nn.functional.linear(input, weight, bias);

    internal override FrozenMatrix? FrozenMatrix => Storage.Parameter is { } parameter ? new(parameter) : new(null, Storage);

    internal override DecodeMatrix? DecodeMatrix => Storage.DecodeMatrix(transposed: false);

    internal override Tensor Apply(Tensor input, WeightStorage weight, Tensor? bias)
        => weight.Parameter is null ? Product(input, weight, bias, transposed: false) : base.Apply(input, weight, bias);
}
