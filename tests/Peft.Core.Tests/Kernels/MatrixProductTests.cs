using System.Runtime.Intrinsics;
using Peft.Kernels;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class MatrixProductTests
{
    // Whole tiles and panels and their remainders, one and several blocks of rows and columns of W.
    [Theory]
    [InlineData(8, 1, 1), InlineData(8, 7, 5), InlineData(9, 8, 24), InlineData(16, 384, 48), InlineData(17, 385, 49), InlineData(33, 16, 192), InlineData(40, 9, 193), InlineData(41, 776, 240), InlineData(64, 1537, 97), InlineData(13, 100, 577)]
    public void The_product_equals_that_in_float64(int rows, int inputs, int outputs)
    {
        using var scope = NewDisposeScope();
        manual_seed(rows);
        var input = randn(rows, 1, inputs);
        foreach (var bias in new[] { null, randn(outputs), randn(outputs, 2).select(1, 0) })
            foreach (var weight in new[] { randn(outputs, inputs), randn(inputs, outputs).t(), randn(outputs, inputs + 3).narrow(1, 2, inputs) })
            {
                MatrixProduct.Supports(input, weight, inputs).ShouldBe(Vector256.IsHardwareAccelerated);
                var product = MatrixProduct.Run(input, weight, bias);
                product.shape.ShouldBe([rows, 1, outputs]);
                var expected = nn.functional.linear(input.to_type(ScalarType.Float64), weight.to_type(ScalarType.Float64), bias?.to_type(ScalarType.Float64));
                product.to_type(ScalarType.Float64).Difference(expected).ShouldBeLessThan(1e-6 * Math.Max(8, inputs));
                MatrixProduct.Run(input, weight, bias).Difference(product).ShouldBe(0);
            }
    }

    [Theory]
    [InlineData(11, 50, 60), InlineData(32, 400, 200)]
    public void Products_are_added_to_part_of_a_matrix(int rows, int inputs, int outputs)
    {
        using var scope = NewDisposeScope();
        var (wide, weight, all) = (randn(rows, inputs + 20), randn(outputs, inputs), randn(rows, outputs + 70));
        var before = all.clone();
        var (x, to) = (wide.narrow(1, 9, inputs), all.narrow(1, 30, outputs));
        var expected = nn.functional.linear(x.to_type(ScalarType.Float64), weight.to_type(ScalarType.Float64));
        MatrixProduct.RunInto(x, weight, to, add: true);
        (to - before.narrow(1, 30, outputs)).to_type(ScalarType.Float64).Difference(expected).ShouldBeLessThan(1e-6 * inputs);
        MatrixProduct.RunInto(x, weight, to, add: false);
        to.to_type(ScalarType.Float64).Difference(expected).ShouldBeLessThan(1e-6 * inputs);
        all.narrow(1, 0, 30).Difference(before.narrow(1, 0, 30)).ShouldBe(0);
        all.narrow(1, outputs + 30, 40).Difference(before.narrow(1, outputs + 30, 40)).ShouldBe(0);
    }

    // Otherwise, parts of a batch on a thread each would change its results.
    [Fact]
    public void A_row_has_the_same_product_in_any_batch_and_with_any_number_of_threads()
    {
        using var scope = NewDisposeScope();
        Tensor input = randn(61, 500), weight = randn(300, 500), bias = randn(300);
        var threads = get_num_threads();
        var product = MatrixProduct.Run(input, weight, bias);
        MatrixProduct.Run(input.narrow(0, 20, 9), weight, bias).Difference(product.narrow(0, 20, 9)).ShouldBe(0);
        try
        {
            set_num_threads(threads == 1 ? 2 : 1);
            MatrixProduct.Run(input, weight, bias).Difference(product).ShouldBe(0);
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    [Fact]
    public void Values_that_are_not_finite_stay_in_their_row()
    {
        using var scope = NewDisposeScope();
        Tensor input = ones(17, 30), weight = ones(50, 30);
        input[3, 4] = tensor(float.NaN);
        input[16, 0] = tensor(float.PositiveInfinity);
        var product = MatrixProduct.Run(input, weight, null);
        product[3].isnan().all().item<bool>().ShouldBeTrue();
        product[16].isinf().all().item<bool>().ShouldBeTrue();
        product.narrow(0, 4, 12).eq(30).all().item<bool>().ShouldBeTrue();
    }

    [Fact]
    public void Other_products_are_left_to_torch()
    {
        using var scope = NewDisposeScope();
        Tensor input = randn(16, 32), weight = randn(40, 32);
        MatrixProduct.Supports(input, weight, 32).ShouldBe(Vector256.IsHardwareAccelerated);
        MatrixProduct.Supports(randn(7, 32), weight, 32).ShouldBeFalse("few rows");
        MatrixProduct.Supports(empty(16, 0), empty(40, 0), 0).ShouldBeFalse("nothing to sum");
        MatrixProduct.Supports(input, empty(0, 32), 32).ShouldBeFalse("no outputs, as of a pruned rank");
        MatrixProduct.Supports(randn(16, 31), weight, 32).ShouldBeFalse("torch reports the error");
        MatrixProduct.Supports(input.to(float64), weight.to(float64), 32).ShouldBeFalse();
        MatrixProduct.Supports(input, weight.to(bfloat16), 32).ShouldBeFalse();
        MatrixProduct.Supports(input, randn(40, 32, 2).select(2, 0), 32).ShouldBeFalse("stored with gaps");
        LinearProduct.Supports(input, weight, null, 32).ShouldBe(Vector256.IsHardwareAccelerated);
        LinearProduct.Supports(input, weight, randn(40, ScalarType.Float64), 32).ShouldBeFalse();
    }

    // Whole tiles and panels and their remainders, and all combinations of what learns.
    [Theory]
    [InlineData(16, 48, 96), InlineData(21, 40, 57), InlineData(400, 33, 26), InlineData(9, 205, 8)]
    public void Gradients_equal_those_in_float64(int rows, int inputs, int outputs)
    {
        using var scope = NewDisposeScope();
        manual_seed(rows);
        foreach (var byColumns in new[] { false, true })
            for (var learns = 0; learns < 8; learns++)
            {
                using var inner = NewDisposeScope();
                Tensor x = randn(inputs, rows).t(), w = byColumns ? randn(inputs, outputs).t() : randn(outputs, inputs), b = randn(outputs), slope = randn(rows, outputs);
                Tensor[] all = [x.requires_grad_((learns & 1) > 0), w.requires_grad_((learns & 2) > 0), b.requires_grad_((learns & 4) > 0)];
                var output = LinearProduct.Run(x, w, b);
                output.requires_grad.ShouldBe(learns > 0);
                using (no_grad()) LinearProduct.Run(x, w, b).Difference(output).ShouldBe(0, "without gradients");
                if (learns == 0) continue;
                Tensor[] trained = [.. all.Where(each => each.requires_grad)], exact = [.. all.Select(each => each.detach().to_type(ScalarType.Float64).requires_grad_(each.requires_grad))];
                var own = autograd.grad([output], trained, [slope]);
                var expected = autograd.grad([nn.functional.linear(exact[0], exact[1], exact[2])], [.. exact.Where(each => each.requires_grad)], [slope.to_type(ScalarType.Float64)]);
                own.Count.ShouldBe(expected.Count);
                foreach (var (gradient, reference) in own.Zip(expected))
                {
                    gradient.shape.ShouldBe(reference.shape);
                    gradient.to_type(ScalarType.Float64).Difference(reference).ShouldBeLessThan(1e-6 * Math.Max(rows, outputs) + 1e-6);
                }
            }
    }

    [Theory]
    [InlineData(false), InlineData(true)]
    public void Modules_have_the_gradients_of_torch(bool transposed)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        AdaptableModule module = transposed ? new TransposedLinear(40, 56) : new Linear(40, 56);
        using var _ = module;
        foreach (var parameter in module.parameters())
        {
            using var frozen = no_grad();
            parameter.copy_(randn(parameter.shape)).requires_grad_(false);
        }
        var matrix = transposed ? module.Weight.t() : module.Weight;
        // The input has gaps.
        Tensor x = randn(3, 40, 6, requires_grad: true), slope = randn(3, 6, 56);
        var output = module.call(x.transpose(1, 2));
        var own = autograd.grad([output], [x], [slope])[0];
        var expected = nn.functional.linear(x.transpose(1, 2), matrix, module.Bias);
        output.Difference(expected).ShouldBeLessThan(1e-5);
        own.Difference(autograd.grad([expected], [x], [slope])[0]).ShouldBeLessThan(1e-5);
        using (no_grad()) module.call(x.transpose(1, 2)).Difference(output).ShouldBe(0, "a pass of a checkpointed layer without gradients rounds like the one with gradients");
    }
}
