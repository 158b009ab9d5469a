using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>Four bits as bitsandbytes has them (<c>load_in_4bit</c>).</summary>
public sealed record FourBitOptions : QuantizationOptions
{
    /// <summary>The code: <see cref="FourBitCode.Nf4"/> by default.</summary>
    public FourBitCode Code { get; init; } = FourBitCode.Nf4;

    /// <summary>Values per scale: a power of two from 32 to 4096. 64 by default.</summary>
    public int BlockSize { get; init; } = 64;

    /// <summary>True to quantize the scales too (<c>bnb_4bit_use_double_quant</c>).</summary>
    public bool DoubleQuantization { get; init; }

    /// <inheritdoc/>
    public override double BitsPerValue => 4 + (DoubleQuantization ? (8 + 32.0 / FourBitMatrix.NestedBlock) / BlockSize : 32.0 / BlockSize);

    private protected override IEnumerable<string> Errors() => BlockErrors(BlockSize).Concat(Code is null ? ["Code is null."] : []);

    private protected override QuantizedMatrix Create(Tensor values) => FourBitMatrix.Of(values, this);
}
