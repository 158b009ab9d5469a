using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>LLM.int8 (Dettmers et al. 2022, arXiv:2208.07339; <c>load_in_8bit</c>): 8-bit integers, scaled by row. Weights are rounded to float16 first, as there.</summary>
public sealed record Int8Options : QuantizationOptions
{
    /// <summary>
    /// Threshold from which an input's columns are multiplied in full precision in evaluation, where all others are rounded to 8 bits too
    /// (<c>llm_int8_threshold</c>; 6 is usual, 0 for none). Null, the default: inputs are not rounded.
    /// </summary>
    public double? InputThreshold { get; init; }

    /// <inheritdoc/>
    public override double BitsPerValue => 8;

    internal override string? WhyNot(Tensor values)
    {
        if (base.WhyNot(values) is { } error) return error;
        using var rounded = values.to_type(ScalarType.Float16);
        return Values.IsFinite(rounded) ? null : "holds a value beyond the range of float16, 65,504, in which LLM.int8 holds weights";
    }

    private protected override IEnumerable<string> Errors() => InputThreshold is { } limit && !(limit >= 0 && double.IsFinite(limit)) ? [$"InputThreshold must be at least 0, but was {limit}."] : [];

    private protected override QuantizedMatrix Create(Tensor values) => Int8Matrix.Of(values, InputThreshold);
}
