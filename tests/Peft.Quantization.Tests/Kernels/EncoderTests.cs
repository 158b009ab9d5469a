using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization.Tests.Kernels;

/// <summary>What kernels quantize, against operations of torch.</summary>
public class EncoderTests
{
    private static IEnumerable<Tensor> Inputs()
    {
        manual_seed(11);
        foreach (var (rows, columns) in new[] { (1L, 1L), (3L, 7L), (5L, 33L), (37L, 61L), (64L, 512L), (300L, 1029L) })
        {
            yield return randn(rows, columns).mul(0.05);
            yield return zeros(rows, columns);
            yield return randn(rows, columns).mul(1e-41);        // subnormal: reciprocals are infinite
            yield return randn(rows, columns).mul(1e-6);         // subnormal in float16
            yield return randint(-8, 9, [rows, columns]).to_type(ScalarType.Float32);   // ties
            yield return randn(rows, columns).masked_fill(rand(rows, columns).lt(Constant(0.9)), Constant(0));
        }
    }

    [Theory]
    [InlineData("nf4", 32), InlineData("nf4", 64), InlineData("nf4", 4096), InlineData("fp4", 32), InlineData("fp4", 64)]
    public void Codes_of_four_bits_and_scales_are_those_of_torch(string code, int size)
    {
        foreach (var input in Inputs())
            foreach (var type in new[] { ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float16 })
            {
                using var scope = NewDisposeScope();
                var values = input.to_type(type);
                var options = new FourBitOptions { Code = FourBitCode.Named(code)!, BlockSize = size };
                var (codes, scales) = FourBitMatrix.EncodeByTorch(values.contiguous().view(-1), options);
                using var matrix = options.Quantize(values);
                matrix.Held["weight"].eq(codes).all().item<bool>().ShouldBeTrue($"{code} {size} {values}");
                matrix.Held["weight.absmax"].eq(scales).all().item<bool>().ShouldBeTrue();
            }
    }

    [Fact]
    public void Codes_of_middles_are_those_of_torch()
    {
        using var scope = NewDisposeScope();
        foreach (var code in new[] { FourBitCode.Nf4, FourBitCode.Fp4 })
        {
            // The middles themselves and their neighbours, in a block whose scale is 1.
            float[] near = [.. code.Middles.Where(float.IsFinite).SelectMany(middle => new[] { middle, MathF.BitIncrement(middle), MathF.BitDecrement(middle) }), -0f, 1, -1];
            var values = tensor([.. near, .. new float[64 - near.Length]]).view(1, 64);
            var options = new FourBitOptions { Code = code };
            using var matrix = options.Quantize(values);
            matrix.Held["weight"].eq(FourBitMatrix.EncodeByTorch(values.view(-1), options).Codes).all().item<bool>().ShouldBeTrue();
        }
    }

    [Theory, InlineData(true, 256), InlineData(false, 256), InlineData(true, 32)]
    public void Codes_of_the_dynamic_code_and_scales_are_those_of_torch(bool hasSign, int size)
    {
        var code = hasSign ? DynamicCode.Signed : DynamicCode.Unsigned;
        float[] near = [.. code.Zip(code.Skip(1), (low, high) => (low + high) / 2).SelectMany(middle => new[] { middle, MathF.BitIncrement(middle), MathF.BitDecrement(middle) }), 1];
        foreach (var input in Inputs().Append(tensor(near)))
        {
            using var scope = NewDisposeScope();
            var flat = hasSign ? input.view(-1) : input.view(-1).abs();
            var (codes, scales) = DynamicCode.Quantize(flat, code, size);
            var (expected, expectedScales) = DynamicCode.QuantizeByTorch(flat, code, size);
            codes.eq(expected).all().item<bool>().ShouldBeTrue($"{flat}");
            scales.eq(expectedScales).all().item<bool>().ShouldBeTrue();
        }
    }

    [Fact]
    public void Codes_of_LLM_int8_and_scales_are_those_of_torch()
    {
        foreach (var input in Inputs())
            foreach (var values in new[] { input, input.t(), input.to_type(ScalarType.BFloat16) })
            {
                using var scope = NewDisposeScope();
                var (codes, scales) = Int8Matrix.Rounded(values.to_type(ScalarType.Float16).to_type(ScalarType.Float32));
                using var matrix = QuantizationOptions.LlmInt8().Quantize(values);
                matrix.Held["weight"].eq(codes).all().item<bool>().ShouldBeTrue($"{values}");
                matrix.Held["SCB"].eq(scales).all().item<bool>().ShouldBeTrue();
                matrix.Held["weight"].is_contiguous().ShouldBeTrue();
            }
        Should.Throw<QuantizationException>(() => QuantizationOptions.LlmInt8().Quantize(full([2, 2], 70000f))).Message.ShouldContain("65,504");
    }
}
