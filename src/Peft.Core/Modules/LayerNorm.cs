using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Modules;

/// <summary>y = (x − mean) / √(var + ε) ∘ w + b over the last dimension.</summary>
/// <param name="size">Length of the last dimension.</param>
/// <param name="epsilon">Term added to the variance.</param>
/// <param name="bias">True for a bias b.</param>
/// <param name="dtype">Dtype of weight and bias.</param>
/// <param name="device">Device of weight and bias.</param>
/// <param name="offset">Term added to the weight: 1 for Nemotron, which stores w − 1.</param>
public sealed class LayerNorm(long size, double epsilon = 1e-5, bool bias = true, ScalarType? dtype = null, Device? device = null, double offset = 0)
    : AdaptableModule([size], bias ? size : null, dtype, device)
{
    internal override DecodeNorm? DecodeNorm => Site is null && offset == 0 ? DecodeNorm.Of(Storage.Parameter!, Bias, epsilon, 0, centers: true) : null;

    internal override NodeInput? AsNormInput(Tensor weight, Tensor? bias)
        => offset == 0 && size % 8 == 0 && TensorMemory.Supports(weight, bias ?? weight) ? new CenteredInput(weight.AsContiguous(), bias?.AsContiguous(), epsilon) : null;

    /// <inheritdoc/>
    public override Tensor Apply(Tensor input, Tensor weight, Tensor? bias)
    {
        if (offset != 0)
        {
            using var gain = weight.add(Constant(offset), One);
            return nn.functional.layer_norm(input, [size], gain, bias, epsilon);
        }
        if (!LayerNormKernel.Supports(input, weight, bias)) return nn.functional.layer_norm(input, [size], weight, bias, epsilon);
        using var scope = NewDisposeScope();
        return LayerNormKernel.Normalise(input.contiguous(), weight.contiguous(), bias?.contiguous(), empty(input.Sizes(), ScalarType.Float32), (float)epsilon).MoveToOuterDisposeScope();
    }
}
