using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Position interpolation (Chen et al. 2023, arXiv:2306.15595): all positions are divided by the factor.</summary>
/// <param name="Factor">The factor, at least 1.</param>
public sealed record LinearScaling(double Factor) : RotaryScaling
{
    internal override Tensor Frequencies(double theta, Tensor exponents, long length) => Power(theta, exponents).reciprocal().div(Constant(Factor));
}
