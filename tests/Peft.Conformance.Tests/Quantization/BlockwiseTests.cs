using Peft.Kernels;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>The dynamic code of 8 bits and its blocks.</summary>
public class BlockwiseTests
{
    public static TheoryData<string> Cases => QuantizedOracle.Ids("optim8", choose: each => each.GetProperty("kind").GetString() == "blockwise");

    [Fact]
    public void Code_tables_are_equal_bit_for_bit()
    {
        using var scope = NewDisposeScope();
        using var file = QuantizedOracle.Open("optim8", "codes");
        tensor(DynamicCode.Signed).ShouldBeExactly(file.Read("dynamic_signed"));
        tensor(DynamicCode.Unsigned).ShouldBeExactly(file.Read("dynamic_unsigned"));
        tensor(FourBitCode.Nf4.Table.ToArray()).ShouldBeExactly(file.Read("nf4"));
        tensor(FourBitCode.Fp4.Table.ToArray()).ShouldBeExactly(file.Read("fp4"));
    }

    [Theory, MemberData(nameof(Cases))]
    public void Blocks_are_those_of_bitsandbytes(string id)
    {
        using var scope = NewDisposeScope();
        using var file = QuantizedOracle.Open("optim8", id);
        var entry = QuantizedOracle.Entry("optim8", id);
        var size = entry.GetProperty("blocksize").GetInt32();
        var code = entry.GetProperty("code").GetString() == "dynamic_signed" ? DynamicCode.Signed : DynamicCode.Unsigned;
        var (codes, scales) = DynamicCode.Quantize(file.Read("input").view(-1), code, size);
        scales.ShouldBeExactly(file.Read("absmax"));
        // A code next to a midpoint may differ: 0.1% of the elements.
        var stray = codes.ne(file.Read("quantized").view(-1)).sum().item<long>();
        stray.ShouldBeLessThanOrEqualTo(codes.numel() / 1000);
        DynamicCode.Dequantize(file.Read("quantized").view(-1), scales, tensor(code), size).ShouldBeExactly(file.Read("dequantized").view(-1));
    }
}
