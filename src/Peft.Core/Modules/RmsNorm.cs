using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Modules;

/// <summary>y = x / √(mean(x²) + ε) ∘ w over the last dimension (Zhang and Sennrich 2019, arXiv:1910.07467).</summary>
/// <param name="size">Length of the last dimension.</param>
/// <param name="epsilon">Term added to the mean square.</param>
/// <param name="offset">Term added to the weight: 1 for Gemma, which stores w − 1.</param>
/// <param name="dtype">Dtype of the weight.</param>
/// <param name="device">Device of the weight.</param>
public sealed class RmsNorm(long size, double epsilon, double offset = 0, ScalarType? dtype = null, Device? device = null)
    : AdaptableModule([size], null, dtype, device)
{
    internal override DecodeNorm? DecodeNorm => Site is null ? DecodeNorm.Of(Storage.Parameter!, null, epsilon, offset, centers: false) : null;

    internal override NodeInput? AsNormInput(Tensor weight, Tensor? bias) => RmsNormKernel.Supports(weight, weight) ? new NormalizedInput(weight.AsContiguous(), epsilon, offset) : null;

    /// <inheritdoc/>
    public override Tensor Apply(Tensor input, Tensor weight, Tensor? bias)
    {
        if (RmsNormKernel.Supports(input, weight)) return RmsNormKernel.Run(input, weight, epsilon, offset);
        // Computed in float32 for any input dtype, as in all published models.
        using var x = input.to_type(ScalarType.Float32);
        using var square = x.square();
        using var mean = square.mean([-1], keepdim: true);
        using var shifted = mean.add(Constant(epsilon), One);
        using var scale = shifted.rsqrt();
        using var normal = x.mul(scale);
        if (offset == 0)
        {
            using var cast = normal.to_type(input.dtype);
            return cast.mul(weight);
        }
        using var wide = weight.to_type(ScalarType.Float32);
        using var gain = wide.add(Constant(offset), One);
        using var y = normal.mul(gain);
        return y.to_type(input.dtype);
    }
}
