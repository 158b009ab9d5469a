using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Llama 3.1's scaling: wavelengths above original/low are multiplied by the factor, those below original/high are unchanged, those in between are interpolated.</summary>
/// <param name="Factor">The factor, at least 1.</param>
/// <param name="LowFrequency"><c>low_freq_factor</c>.</param>
/// <param name="HighFrequency"><c>high_freq_factor</c>, larger than <c>low_freq_factor</c>.</param>
/// <param name="OriginalPositions">Number of positions in pretraining: <c>original_max_position_embeddings</c>.</param>
public sealed record Llama3Scaling(double Factor, double LowFrequency, double HighFrequency, int OriginalPositions) : RotaryScaling
{
    internal override Tensor Frequencies(double theta, Tensor exponents, long length)
    {
        var frequencies = Power(theta, exponents).reciprocal();
        var wavelengths = frequencies.reciprocal().mul(Constant(2 * Math.PI));
        var longest = OriginalPositions / LowFrequency;
        var shortest = OriginalPositions / HighFrequency;
        var slowed = frequencies.div(Constant(Factor));
        var blend = wavelengths.reciprocal().mul(Constant(OriginalPositions)).sub(Constant(LowFrequency)).div(Constant(HighFrequency - LowFrequency));
        var blended = slowed.mul(blend.neg().add(Constant(1), One)).add(frequencies.mul(blend), One);
        var result = where(wavelengths.gt(Constant(longest)), slowed, frequencies);
        return where(wavelengths.le(Constant(longest)).logical_and(wavelengths.ge(Constant(shortest))), blended, result);
    }
}
