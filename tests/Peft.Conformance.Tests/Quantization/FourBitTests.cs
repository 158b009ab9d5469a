using System.Text;
using Peft.Checkpoints;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>NF4 and FP4, value by value.</summary>
public class FourBitTests
{
    public static TheoryData<string> Cases => QuantizedOracle.Ids("bnb4");

    private static readonly string[] Held = ["weight", "weight.absmax", "weight.quant_map", "weight.nested_absmax", "weight.nested_quant_map"];

    [Theory, MemberData(nameof(Cases))]
    public void Dequantized_values_of_a_checkpoint_are_equal_bit_for_bit(string id)
    {
        using var scope = NewDisposeScope();
        using var file = QuantizedOracle.Open("bnb4", id);
        using var matrix = Read(file);
        matrix.Dequantize().ShouldBeExactly(file.Read("dequantized").view(matrix.Rows, matrix.Columns));
        if (file.Tensors.ContainsKey("absmax_dequantized")) matrix.Scales().ShouldBeExactly(file.Read("absmax_dequantized"));
    }

    [Theory, MemberData(nameof(Cases))]
    public void Quantized_values_are_those_of_bitsandbytes(string id)
    {
        using var scope = NewDisposeScope();
        using var file = QuantizedOracle.Open("bnb4", id);
        using var expected = Read(file);
        var input = file.Read("input");
        using var matrix = new FourBitOptions { Code = expected.Code, BlockSize = expected.BlockSize, DoubleQuantization = expected.IsDoubleQuantized }.Quantize(input.view(expected.Rows, expected.Columns));
        var (actual, wanted) = (matrix.Dequantize(), file.Read("dequantized").view(expected.Rows, expected.Columns));
        var same = actual.eq(wanted);
        same.logical_or(NextToMiddle(input, (FourBitMatrix)matrix)).all().item<bool>().ShouldBeTrue($"{same.logical_not().sum().item<long>()} of {actual.numel()} values differ, by at most {actual.Difference(wanted)}");
    }

    [Theory, MemberData(nameof(Cases))]
    public void Tensors_of_a_checkpoint_come_back_byte_for_byte(string id)
    {
        using var scope = NewDisposeScope();
        using var file = QuantizedOracle.Open("bnb4", id);
        using var matrix = Read(file);
        var saved = matrix.ToCheckpoint();
        foreach (var name in Held.Where(file.Tensors.ContainsKey)) saved[name].bytes.ToArray().ShouldBe(file.ReadBytes(name).bytes.ToArray(), name);
        var state = State(file);
        Encoding.UTF8.GetString(saved[state].bytes).ShouldBe(Encoding.UTF8.GetString(file.ReadBytes(state).bytes));
        saved.Keys.Count().ShouldBe(Held.Count(file.Tensors.ContainsKey) + 1);
    }

    private static FourBitMatrix Read(SafetensorsFile file)
        => FourBitMatrix.Read("case", file.ReadBytes("weight"), file.ReadBytes(State(file)).bytes.ToArray(), name => file.Tensors.ContainsKey(name) ? file.Read(name) : null);

    private static string State(SafetensorsFile file) => file.Keys.Single(key => key.Contains("quant_state", StringComparison.Ordinal));

    // Half way between two values, rounding decides: 1e-6 of the block's scale to either side.
    private static Tensor NextToMiddle(Tensor input, FourBitMatrix matrix)
    {
        float[] sorted = [.. matrix.Code.Table.Order()];
        var middles = tensor(sorted.Zip(sorted.Skip(1), (low, high) => (low + high) / 2).ToArray());
        var flat = input.reshape(-1).to(ScalarType.Float32);
        var blocks = Enumerable.Range(0, (int)((flat.numel() + matrix.BlockSize - 1) / matrix.BlockSize)).Select(block => flat.narrow(0, block * matrix.BlockSize, Math.Min(matrix.BlockSize, flat.numel() - block * matrix.BlockSize)));
        var scaled = cat([.. blocks.Select(block => block / block.abs().max())]);
        return (scaled.unsqueeze(1) - middles).abs().min(1).values.le(1e-6).view(matrix.Rows, matrix.Columns);
    }
}
