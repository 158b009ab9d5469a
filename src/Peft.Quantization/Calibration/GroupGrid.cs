using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>The values that codes represent: scale·(code − zero), with a scale and a zero for each group of inputs and each output.</summary>
/// <param name="Scales">Scales in float32 that float16 holds exactly, <c>[groups, 1, out]</c>.</param>
/// <param name="Zeros">Integers in float32, <c>[groups, 1, out]</c>.</param>
/// <param name="Largest">The largest code; the smallest is 0.</param>
internal readonly record struct GroupGrid(Tensor Scales, Tensor Zeros, int Largest)
{
    // The smallest positive float16 value.
    private const double Smallest = 1.0 / (1 << 24);

    /// <summary>Grids from the minimum to the maximum of each group, which contain 0.</summary>
    /// <param name="values">The values, <c>[groups, inputs, out]</c>.</param>
    /// <param name="bits">Bits per code.</param>
    /// <param name="isSymmetric">True for the middle code as zero.</param>
    /// <param name="path">The module, for error messages.</param>
    public static GroupGrid Of(Tensor values, int bits, bool isSymmetric, string path)
    {
        var largest = (1 << bits) - 1;
        var (low, high) = (values.amin([1], keepdim: true).clamp(max: Constant(0)), values.amax([1], keepdim: true).clamp(min: Constant(0)));
        if (isSymmetric)
        {
            high = maximum(low.neg(), high);
            low = high.neg();
        }
        var scales = high.sub(low).div(Constant(largest)).to_type(ScalarType.Float16).to_type(ScalarType.Float32);
        if (!Quantization.Values.IsFinite(scales)) throw new QuantizationException($"{path}.weight has values whose scale is beyond the range of float16, in which scales are stored.");
        scales = scales.masked_fill(scales.eq(Constant(0)), Constant(Smallest));
        var zeros = isSymmetric ? full_like(scales, Constant((largest + 1) / 2)) : low.neg().div(scales).round().clamp(Constant(0), Constant(largest));
        return new(scales, zeros, largest);
    }

    /// <summary>The codes of the nearest values.</summary>
    public Tensor Codes(Tensor values) => values.div(Scales).round_().add_(Zeros, One).clamp_(Constant(0), Constant(Largest));

    /// <summary>The values of codes.</summary>
    public Tensor Values(Tensor codes) => codes.sub(Zeros).mul_(Scales);

    /// <summary>The grid of one group, for its inputs one at a time: <c>[out]</c>.</summary>
    public GroupGrid At(long group) => new(Scales.select(0, group).view(-1), Zeros.select(0, group).view(-1), Largest);
}
