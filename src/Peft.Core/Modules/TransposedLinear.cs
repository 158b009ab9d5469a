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
        using var turned = weight.t();
        return SkinnyProduct.Supports(input, turned, bias, inputs) ? SkinnyProduct.Run(input, turned, bias, (int)inputs) : nn.functional.linear(input, turned, bias);
    }

    internal override Tensor Apply(Tensor input, WeightStorage weight, Tensor? bias)
    {
        if (weight.Parameter is not null) return base.Apply(input, weight, bias);
        var output = !training && !is_grad_enabled() && weight is IQuantizesInputs { QuantizesInputs: true } own ? own.MultiplyQuantized(input) : weight.MultiplyTransposed(input);
        return bias is null ? output : output.add_(bias, One);
    }
}
