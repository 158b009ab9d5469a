using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Modules;

/// <summary>y = x·W + b, with W [in, out] (GPT-2's Conv1D): <c>[…, in]</c> to <c>[…, out]</c>.</summary>
public sealed class TransposedLinear(long inputs, long outputs, bool bias = true, ScalarType? dtype = null, Device? device = null)
    : AdaptableModule([inputs, outputs], bias ? outputs : null, dtype, device)
{
    /// <inheritdoc/>
    public override Tensor Apply(Tensor input, Tensor weight, Tensor? bias)
    {
        using var transposed = weight.t();
        return SkinnyProduct.Supports(input, transposed, bias, inputs) ? SkinnyProduct.Run(input, transposed, bias, (int)inputs)
            : LinearProduct.Supports(input, transposed, bias, inputs) ? LinearProduct.Run(input, transposed, bias)
            : nn.functional.linear(input, transposed, bias);
    }

    internal override FrozenMatrix? FrozenMatrix => Storage.Parameter is { } parameter ? new(parameter.t(), IsTransposed: true) : new(null, Storage, IsTransposed: true);

    internal override DecodeMatrix? DecodeMatrix => Storage.DecodeMatrix(transposed: true);

    internal override Tensor Apply(Tensor input, WeightStorage weight, Tensor? bias)
        => weight.Parameter is null ? Product(input, weight, bias, transposed: true) : base.Apply(input, weight, bias);
}
