using Peft.Quantization.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization.Tests.Kernels;

/// <summary>What kernels dequantize, against operations of torch.</summary>
public class ValueReaderTests
{
    public static TheoryData<string> Kinds => [.. Matrices.All];

    // Odd sizes: blocks run over the ends of rows, bytes are shared by two rows, rows are no whole vectors.
    private static IEnumerable<(long Rows, long Columns)> Sizes(string kind)
        => Matrices.TakesAnySize(kind) ? [(1, 1), (3, 7), (5, 33), (37, 61), (17, 300), (6, 1029), (64, 512), (32, 3104)] : [(32, 256), (64, 1280), (96, 2048), (32, 2304)];

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

    [Fact]
    public unsafe void Values_of_float16_are_those_of_dotnet()
    {
        ushort[] bits = [.. Enumerable.Range(0, 65536).Select(i => (ushort)i)];
        float[] expected = [.. bits.Select(each => (float)BitConverter.UInt16BitsToHalf(each))], second = new float[65536 + 3];
        // NaN keep their sign and become NaN, whatever their payload.
        static bool Same(float a, float b) => BitConverter.SingleToInt32Bits(a) == BitConverter.SingleToInt32Bits(b) || (float.IsNaN(a) && float.IsNaN(b));
        fixed (ushort* from = bits)
        {
            foreach (var count in new[] { 65536, 1, 2, 3, 5, 7, 9, 15 })
            {
                float[] consecutive = new float[65536], apart = new float[65536 + 3], first = new float[65536 + 3];
                fixed (float* to = consecutive) HalfValue.Read(from, count, to);
                fixed (float* to = apart) HalfValue.Read((byte*)from, 2, count, to);
                var pairs = count / 2;
                fixed (float* one = first, two = second) HalfValue.ReadPairs((byte*)from, 4, pairs, one, two);
                for (var i = 0; i < count; i++) (Same(consecutive[i], expected[i]) && Same(apart[i], expected[i])).ShouldBeTrue($"{i} of {count}");
                for (var i = 0; i < pairs; i++) (Same(first[i], expected[2 * i]) && Same(second[i], expected[2 * i + 1])).ShouldBeTrue($"pair {i} of {count}");
                consecutive.AsSpan(count).ContainsAnyExcept(0f).ShouldBeFalse();
            }
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
