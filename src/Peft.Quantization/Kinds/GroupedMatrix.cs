using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>GPTQ or AWQ: w = scale·(q − zero), with a scale and a zero for each group of inputs and each output. Read-only: its values follow from calibration.</summary>
public abstract class GroupedMatrix : QuantizedMatrix
{
    private protected GroupedMatrix(long rows, long columns, Tensor words, Tensor zeros, Tensor scales, int bits, int groupSize) : base(rows, columns)
        => (Words, Zeros, Scales, Bits, GroupSize) = (words.Keep(), zeros.Keep(), scales.Keep(), bits, groupSize);

    /// <summary>Bits per value.</summary>
    public int Bits { get; }

    /// <summary>Inputs per group.</summary>
    public int GroupSize { get; }

    private protected Tensor Words { get; }

    private protected Tensor Zeros { get; }

    private protected Tensor Scales { get; }

    internal override string? WhyFixed => $"Weights of the kind {Kind} follow from calibration and take no other values: use MergeAndUnload(dequantize: true), or the adapter unmerged.";

    private protected override QuantizedMatrix Requantize(Tensor values) => throw new QuantizationException(WhyFixed!);

    internal override IReadOnlyDictionary<string, Tensor> Held => new Dictionary<string, Tensor> { ["qweight"] = Words, ["qzeros"] = Zeros, ["scales"] = Scales };

    // The sizes that the tensors of a group must have.
    private protected static (Tensor Words, Tensor Zeros, Tensor Scales) Require(string path, Func<string, Tensor?> read, ReadOnlySpan<long> words, ReadOnlySpan<long> zeros, ReadOnlySpan<long> scales)
    {
        var factors = read("scales");
        if (factors is { dtype: ScalarType.BFloat16 or ScalarType.Float32 }) factors = Values.Expect(factors, $"{path}.scales", factors.dtype, scales);
        else Values.Expect(factors, $"{path}.scales", ScalarType.Float16, scales);
        return (Values.Expect(read("qweight"), $"{path}.qweight", ScalarType.Int32, words), Values.Expect(read("qzeros"), $"{path}.qzeros", ScalarType.Int32, zeros), factors!);
    }
}
