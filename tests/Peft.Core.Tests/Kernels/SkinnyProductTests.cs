using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class SkinnyProductTests
{
    [Theory]
    [InlineData(2, 8, 1), InlineData(3, 16, 2), InlineData(4, 64, 172), InlineData(5, 24, 50), InlineData(7, 48, 33), InlineData(8, 768, 97), InlineData(31, 72, 512), InlineData(32, 40, 48), InlineData(2, 172, 64), InlineData(4, 12, 9), InlineData(20, 44, 17)]
    [InlineData(6, 512, 259), InlineData(1, 8, 1), InlineData(1, 16, 7), InlineData(1, 172, 64), InlineData(1, 36, 9), InlineData(1, 64, 172), InlineData(1, 512, 1031), InlineData(1, 768, 4100)]
    public void The_product_equals_that_in_float64(int rows, int inputs, int outputs)
    {
        using var scope = NewDisposeScope();
        using var _ = inference_mode();
        manual_seed(rows);
        var input = randn(rows, 1, inputs);
        foreach (var bias in new[] { null, randn(outputs) })
            foreach (var weight in new[] { randn(outputs, inputs), randn(inputs, outputs).t() })
            {
                SkinnyProduct.Supports(input, weight, bias, inputs).ShouldBeTrue();
                var product = SkinnyProduct.Run(input, weight, bias, inputs);
                product.shape.ShouldBe([rows, 1, outputs]);
                var expected = nn.functional.linear(input.to_type(ScalarType.Float64), weight.to_type(ScalarType.Float64), bias?.to_type(ScalarType.Float64));
                product.to_type(ScalarType.Float64).Difference(expected).ShouldBeLessThan(1e-6 * inputs);
                SkinnyProduct.Run(input, weight, bias, inputs).Difference(product).ShouldBe(0);
            }
    }

    // Blocks of 16 and 8 rows, ends of blocks and tiles, inputs of more than one pass.
    [Theory]
    [InlineData(33, 64, 50), InlineData(64, 8, 8), InlineData(97, 776, 33), InlineData(70, 172, 64), InlineData(129, 1544, 96), InlineData(512, 1536, 41)]
    public void The_product_of_many_rows_equals_that_in_float64(int rows, int inputs, int outputs)
    {
        using var scope = NewDisposeScope();
        using var _ = inference_mode();
        manual_seed(rows);
        Tensor input = randn(3, rows, inputs)[1], weight = randn(outputs, inputs), bias = randn(outputs);
        SkinnyProduct.Supports(input, weight, bias, inputs).ShouldBe(rows <= 128 || !MatrixProduct.IsSupported);
        SkinnyProduct.Supports(input, randn(inputs, outputs).t(), bias, inputs).ShouldBeFalse("stored by columns: BLAS is faster");
        var product = SkinnyProduct.Run(input, weight, bias, inputs);
        var expected = nn.functional.linear(input.to_type(ScalarType.Float64), weight.to_type(ScalarType.Float64), bias.to_type(ScalarType.Float64));
        product.to_type(ScalarType.Float64).Difference(expected).ShouldBeLessThan(1e-6 * inputs);
        SkinnyProduct.Run(input, weight, bias, inputs).Difference(product).ShouldBe(0);
    }

    // As the last positions of prompts.
    [Fact]
    public void An_input_with_gaps_is_read_as_it_is()
    {
        using var scope = NewDisposeScope();
        using var _ = inference_mode();
        Tensor hidden = randn(3, 5, 16), weight = randn(12, 16), last = hidden.narrow(1, 4, 1);
        SkinnyProduct.Supports(last, weight, null, 16).ShouldBeTrue();
        var product = SkinnyProduct.Run(last, weight, null, 16);
        product.shape.ShouldBe([3, 1, 12]);
        product.Difference(nn.functional.linear(last, weight)).ShouldBeLessThan(1e-5);
    }

    [Fact]
    public void Other_products_are_left_to_torch()
    {
        using var scope = NewDisposeScope();
        var (input, weight) = (randn(4, 16), randn(12, 16));
        SkinnyProduct.Supports(input, weight, null, 16).ShouldBeFalse("gradients may be needed");
        using (no_grad()) SkinnyProduct.Supports(input, weight, null, 16).ShouldBeFalse("checkpointed activations are computed again with gradients");
        using var _ = inference_mode();
        SkinnyProduct.Supports(input, weight, null, 16).ShouldBeTrue();
        SkinnyProduct.Supports(randn(513, 16), weight, null, 16).ShouldBeFalse("many rows");
        SkinnyProduct.Supports(input, randn(12, 32).narrow(1, 0, 16), null, 16).ShouldBeFalse("weight has gaps");
        SkinnyProduct.Supports(input, randn(12, 12), null, 12).ShouldBeFalse("the sizes differ");
        SkinnyProduct.Supports(input.to_type(ScalarType.BFloat16), weight.to_type(ScalarType.BFloat16), null, 16).ShouldBeFalse("bfloat16");
        SkinnyProduct.Supports(randn(4, 10), randn(12, 10), null, 10).ShouldBeFalse("no multiple of half a vector");
    }
}
