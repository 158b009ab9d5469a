using Peft.Quantization.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization.Tests.Kernels;

/// <summary>What kernels dequantize, against operations of torch.</summary>
public class ValueReaderTests
{
    public static TheoryData<string> Kinds => [.. Matrices.All];

    // Odd sizes: blocks run over the ends of rows, bytes are shared by two rows, rows are no whole vectors.
    private static IEnumerable<(long Rows, long Columns)> Sizes(string kind)
        => Matrices.TakesAnySize(kind) ? [(1, 1), (3, 7), (5, 33), (37, 61), (17, 300), (6, 1029), (64, 512)] : [(32, 256), (64, 1280), (96, 2048)];

    [Theory, MemberData(nameof(Kinds))]
    public void Values_of_all_vector_widths_are_those_of_torch_bit_for_bit(string kind)
    {
        foreach (var (rows, columns) in Sizes(kind))
        {
            using var scope = NewDisposeScope();
            using var matrix = Matrices.Of(kind, rows, columns, rows);
            var expected = matrix.DequantizeRows(0, rows).to_type(ScalarType.Float32);
            foreach (var (width, read) in Widths.All)
            {
                read(matrix).Bits().AsSpan().SequenceEqual(expected.Bits()).ShouldBeTrue($"{kind} [{rows}, {columns}], {width} bits");
            }
            matrix.Dequantize().eq(matrix.DequantizeRows(0, rows)).all().item<bool>().ShouldBeTrue();
        }
    }

    [Theory, MemberData(nameof(Kinds))]
    public void Panels_together_are_the_matrix(string kind)
    {
        using var scope = NewDisposeScope();
        using var matrix = Matrices.Of(kind, 160, 256);
        foreach (var height in new[] { 32, 64, 96 })
        {
            Tensor[] panels = [.. Enumerable.Range(0, (160 + height - 1) / height).Select(i => matrix.Dequantize(i * height, Math.Min(height, 160 - i * height)))];
            cat(panels).eq(matrix.Dequantize()).all().item<bool>().ShouldBeTrue();
            cat([.. Enumerable.Range(0, panels.Length).Select(i => matrix.DequantizeRows(i * height, panels[i].shape[0]))]).eq(matrix.Dequantize()).all().item<bool>().ShouldBeTrue();
        }
    }

    [Theory, InlineData(ScalarType.BFloat16), InlineData(ScalarType.Float16)]
    public unsafe void Rounding_to_16_bits_is_that_of_torch(ScalarType type)
    {
        using var scope = NewDisposeScope();
        // All exponents; what lies on middles between two float16 values; and the ends of float16's range.
        var random = new Random(3);
        int[] bits = [.. Enumerable.Range(0, 1 << 19).Select(_ => random.Next(int.MinValue, int.MaxValue))];
        float[] values = [.. bits.Concat(bits.Select(each => each & -4096)).Concat(bits.Select(each => each & -32768)).Select(BitConverter.Int32BitsToSingle), .. Enumerable.Range(0, 140_001).Select(i => i - 70_000f), .. Enumerable.Range(0, 20_001).Select(i => (i - 10_000) * 1e-8f)];
        values = [.. values.Where(float.IsFinite)];
        var expected = tensor(values).to_type(type).to_type(ScalarType.Float32);
        fixed (float* each = values) HalfRounding.Round(each, values.Length, type);
        tensor(values).Bits().AsSpan().SequenceEqual(expected.Bits()).ShouldBeTrue();
    }
}
