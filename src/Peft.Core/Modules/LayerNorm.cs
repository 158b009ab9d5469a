using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Modules;

/// <summary>y = (x − mean) / √(var + ε) ∘ w + b over the last dimension.</summary>
public sealed class LayerNorm(long size, double epsilon = 1e-5, bool bias = true, ScalarType? dtype = null, Device? device = null)
    : AdaptableModule([size], bias ? size : null, dtype, device)
{
    internal override DecodeNorm? DecodeNorm => Site is null ? DecodeNorm.Of(Storage.Parameter!, Bias, epsilon, 0, centers: true) : null;

    internal override NodeInput? AsNormInput(Tensor weight, Tensor? bias)
        => size % 8 == 0 && TensorMemory.Supports(weight, bias ?? weight) ? new CenteredInput(weight.AsContiguous(), bias?.AsContiguous(), epsilon) : null;

    /// <inheritdoc/>
    public override Tensor Apply(Tensor input, Tensor weight, Tensor? bias)
    {
        if (!LayerNormKernel.Supports(input, weight, bias)) return nn.functional.layer_norm(input, [size], weight, bias, epsilon);
        using var scope = NewDisposeScope();
        return LayerNormKernel.Normalise(input.contiguous(), weight.contiguous(), bias?.contiguous(), empty(input.Sizes(), ScalarType.Float32), (float)epsilon).MoveToOuterDisposeScope();
    }
}
