using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>8 bits of the dynamic code (Dettmers et al. 2021, arXiv:2110.02861), scaled by block. No checkpoint format stores such weights.</summary>
public sealed record BlockwiseOptions : QuantizationOptions
{
    /// <summary>Values per scale: a power of two from 32 to 4096. 256 by default.</summary>
    public int BlockSize { get; init; } = 256;

    /// <inheritdoc/>
    public override double BitsPerValue => 8 + 32.0 / BlockSize;

    private protected override IEnumerable<string> Errors() => BlockErrors(BlockSize);

    private protected override QuantizedMatrix Create(Tensor values) => BlockwiseMatrix.Of(values, BlockSize);
}
