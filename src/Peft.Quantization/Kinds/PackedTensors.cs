using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>The tensors of a weight in a GPTQ or AWQ checkpoint, which holds matrices transposed.</summary>
/// <param name="Words">The packed integers.</param>
/// <param name="Zeros">The packed zeros.</param>
/// <param name="Scales"><c>[groups, out]</c></param>
internal readonly record struct PackedTensors(Tensor Words, Tensor Zeros, Tensor Scales)
{
    /// <summary>Reads them, of given shapes.</summary>
    /// <exception cref="QuantizationException">A tensor is missing, or has another dtype or shape, or scales are not finite.</exception>
    public static PackedTensors Require(string path, Func<string, Tensor?> read, ReadOnlySpan<long> words, ReadOnlySpan<long> zeros, ReadOnlySpan<long> scales)
    {
        var factors = read("scales");
        if (factors is { dtype: ScalarType.BFloat16 or ScalarType.Float32 }) factors = Values.Expect(factors, $"{path}.scales", factors.dtype, scales);
        else Values.Expect(factors, $"{path}.scales", ScalarType.Float16, scales);
        return new(Values.Expect(read("qweight"), $"{path}.qweight", ScalarType.Int32, words), Values.Expect(read("qzeros"), $"{path}.qzeros", ScalarType.Int32, zeros), factors!);
    }
}
