using Peft.Kernels;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class FactoredProductTests
{
    [Theory]
    [InlineData(1, 8, 8, 1, false)]
    [InlineData(5, 20, 9, 2, true)]
    [InlineData(48, 64, 172, 8, false)]
    [InlineData(101, 172, 64, 8, true)]
    [InlineData(7, 33, 40, 19, true)]
    [InlineData(21, 100, 132, 3, false)]   // the gradients of the factors by thin products, as for 64 and 172
    [InlineData(50, 200, 300, 19, true)]
    public void Output_and_gradients_are_those_of_the_formula(int rows, int inputs, int outputs, int rank, bool biased)
        => ShouldAgree(rows, inputs, outputs, rank, biased, FactoredProduct.Of);

    [Fact]
    public void An_input_and_factors_that_do_not_learn_get_no_gradient()
    {
        using var scope = NewDisposeScope();
        var (x, w, a, b) = (randn(4, 16), randn(24, 16), new Parameter(randn(2, 16), requires_grad: false), new Parameter(randn(24, 2)));
        Product(x, FactoredProduct.Of(w, null, a, b, 1)).sum().backward();
        x.grad.ShouldBeNull();
        a.grad.ShouldBeNull();
        b.grad.ShouldNotBeNull();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Gradients_that_the_kernel_adds_directly_are_those_that_torch_adds(bool isFirst)
    {
        using var scope = NewDisposeScope();
        manual_seed(6);
        var (x, w, a, b) = (randn(12, 16), randn(24, 16), new Parameter(randn(2, 16)), new Parameter(randn(24, 2)));
        using var parameters = new FlatParameters([new("a", a), new("b", b)]);
        using var gradients = new PartGradients(parameters, isFirst);
        Tensor Loss(Tensor y) => y.square().sum() + a.square().sum();   // A has a gradient from elsewhere too
        for (var pass = 0; pass < 2; pass++)   // the first one fails before its gradients are given
        {
            if (isFirst) parameters.ZeroGradients();
            gradients.Begin();
            using var given = DirectGradients.To(gradients);
            var returned = autograd.grad([Loss(Product(x, FactoredProduct.Of(w, null, a, b, 2)))], [a, b], allow_unused: true);
            returned[1].IsInvalid.ShouldBeTrue();
            gradients.Add(returned);
        }
        gradients.Reached.ShouldBe([true, true]);
        gradients.Give();
        var exact = autograd.grad([Loss(nn.functional.linear(x, w + 2 * b.mm(a)))], [a, b]);
        a.grad!.RelativeDifference(exact[0]).ShouldBeLessThan(1e-5);
        b.grad!.RelativeDifference(exact[1]).ShouldBeLessThan(1e-5);
    }

    [Fact]
    public void A_transposed_matrix_is_taken_as_it_is_meant()
    {
        using var scope = NewDisposeScope();
        var (x, w, a, b) = (randn(4, 16), randn(16, 24).t(), new Parameter(randn(2, 16)), new Parameter(randn(24, 2)));
        Product(x, FactoredProduct.Of(w, null, a, b, 2)).Difference(nn.functional.linear(x, w + 2 * b.mm(a))).ShouldBeLessThan(1e-4);
    }

    [Fact]
    public void Other_products_are_left_to_torch()
    {
        using var scope = NewDisposeScope();
        var (x, w, a, b) = (randn(4, 16), randn(24, 16), new Parameter(randn(2, 16)), new Parameter(randn(24, 2)));
        FactoredProduct.Of(w, null, a, b, 1).ShouldNotBeNull();
        FactoredProduct.Of(new Parameter(randn(24, 16)), null, a, b, 1).ShouldBeNull();             // W learns
        FactoredProduct.Of(w, new Parameter(randn(24)), a, b, 1).ShouldBeNull();                    // the bias learns
        FactoredProduct.Of(randn(4, 16), null, a, randn(4, 2), 1).ShouldBeNull();                   // too few outputs for a vector
        FactoredProduct.Of(randn(512, 512), null, randn(2, 512), randn(512, 2), 1).ShouldBeNull();  // large: BLAS is faster
        FactoredProduct.Of(w.to(float64), null, a.to(float64), b.to(float64), 1).ShouldBeNull();
    }

    [Theory]
    [InlineData(1, 3, 8)]
    [InlineData(6, 64, 16)]
    [InlineData(53, 17, 75)]
    [InlineData(13, 200, 48)]
    public unsafe void Products_are_right_in_vectors_of_every_width(int rows, int depth, int columns)
    {
        using var scope = NewDisposeScope();
        var (a, b) = (randn(rows, depth), randn(depth, columns));
        var turned = a.t().contiguous();
        var expected = a.to(float64).mm(b.to(float64));
        var (wide, narrow) = (full(rows, columns, float.NaN), full(rows, columns, float.NaN));
        fixed (float* ap = a.Floats(), tp = turned.Floats(), bp = b.Floats(), wp = wide.Floats(), np = narrow.Floats())
        {
            SmallProduct.Run(tp, 1, rows, bp, wp, rows, depth, columns);
            SmallProduct8.Run(ap, depth, 1, bp, columns, null, np, columns, rows, depth, columns);
        }
        wide.Difference(expected).ShouldBeLessThan(1e-4);
        narrow.Difference(expected).ShouldBeLessThan(1e-4);
    }

    [Theory]
    [InlineData(5, 24, 40, 1, true)]
    [InlineData(48, 384, 1536, 8, true)]
    [InlineData(101, 776, 64, 8, false)]
    [InlineData(33, 40, 384, 19, true)]
    [InlineData(7, 128, 128, 64, false)]
    public void A_large_matrix_is_left_to_BLAS_and_its_thin_update_computed_in_the_same_node(int rows, int inputs, int outputs, int rank, bool biased)
        => ShouldAgree(rows, inputs, outputs, rank, biased, (w, bias, a, b, scale) => LowRankProduct.Of(new FrozenMatrix(w), bias, a, b, scale));

    [Fact]
    public void What_does_not_learn_gets_no_gradient_beside_a_large_matrix_either()
    {
        using var scope = NewDisposeScope();
        var (x, w, a, b) = (randn(4, 512), randn(512, 512).t(), new Parameter(randn(2, 512), requires_grad: false), new Parameter(randn(512, 2)));
        Product(x, LowRankProduct.Of(new FrozenMatrix(w), null, a, b, 1)).sum().backward();
        (x.grad, a.grad).ShouldBe((null, null));
        (b.grad!).Difference(x.mm(a.t()).sum(dim: 0).expand(512, 2)).ShouldBeLessThan(1e-3);
        LowRankProduct.Of(new FrozenMatrix(randn(509, 512)), null, a, randn(509, 2), 1).ShouldBeNull();                  // no whole vectors
        LowRankProduct.Of(new FrozenMatrix(w), null, randn(65, 512), new Parameter(randn(512, 65)), 1).ShouldBeNull();    // BLAS is as fast
        LowRankProduct.Of(new FrozenMatrix(new Parameter(randn(512, 512))), null, a, b, 1).ShouldBeNull();                // W learns
        LowRankProduct.Of(new FrozenMatrix(w.to(float64)), null, a.to(float64), b.to(float64), 1).ShouldBeNull();
    }

    // Whole tiles and panels and their remainders, one and several blocks of W, and a matrix that BLAS multiplies.
    [Theory]
    [InlineData(8, 64, 48, 8)]
    [InlineData(17, 24, 40, 3)]
    [InlineData(101, 776, 200, 19)]
    [InlineData(5, 40, 384, 64)]
    public void The_update_and_a_residual_are_added_to_the_tiles_of_the_product(int rows, int inputs, int outputs, int rank)
    {
        using var scope = NewDisposeScope();
        manual_seed(rows);
        var (x, w, bias, residual) = (randn(rows, inputs), randn(outputs, inputs), randn(outputs), randn(rows, outputs));
        var (a, b) = (new Parameter(randn(rank, inputs)), new Parameter(randn(outputs, rank)));
        using var _ = no_grad();
        var exact = nn.functional.linear(x.to(float64), w.to(float64) + b.to(float64).mm(a.to(float64)) * 0.5, bias.to(float64));
        var product = LowRankProduct.Of(new FrozenMatrix(w), bias, a, b, 0.5).ShouldNotBeNull();
        var (output, kept) = product.Multiply(x);
        var (sum, _) = product.MultiplyAndAdd(x, residual);
        output.to(float64).RelativeDifference(exact).ShouldBeLessThan(2e-6);
        sum.Difference(output + residual).ShouldBe(0);
        product.MultiplyAgain(x, [a, b, .. kept]).Difference(output).ShouldBe(0);
        product.Add(nn.functional.linear(x, w, bias), x).RelativeDifference(output).ShouldBeLessThan(2e-6);
        var plain = PlainProduct.Of(new FrozenMatrix(w), bias).ShouldNotBeNull();
        plain.MultiplyAndAdd(x, residual).Output.Difference(plain.Multiply(x).Output + residual).ShouldBe(0);
    }

    private static Tensor Product(Tensor x, NodeProduct? product) => LinearStep.Run(new PlainInput(), [x], null, product.ShouldNotBeNull())[0];

    // The formula in float64. Sums of float32 are off by some units in the last place of their largest terms.
    private static void ShouldAgree(int rows, int inputs, int outputs, int rank, bool biased, Func<Tensor, Tensor?, Tensor, Tensor, double, NodeProduct?> product)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var (x, w, bias) = (randn(rows, 1, inputs), randn(outputs, inputs) / Math.Sqrt(inputs), biased ? randn(outputs) : null);
        var (a, b) = (new Parameter(randn(rank, inputs)), new Parameter(randn(outputs, rank)));
        var slope = randn(rows, 1, outputs);
        x.requires_grad = true;

        var y = Product(x, product(w, bias, a, b, 0.5));
        y.backward([slope]);

        Tensor Wide(Tensor tensor) => tensor.detach().to(float64).requires_grad_();
        var (wx, wa, wb) = (Wide(x), Wide(a), Wide(b));
        var expected = nn.functional.linear(wx, w.to(float64) + 0.5 * wb.mm(wa), bias?.to(float64));
        expected.backward([slope.to(float64)]);
        y.shape.ShouldBe([rows, 1, outputs]);
        foreach (var (ours, exact) in new[] { (y, expected), (x.grad!, wx.grad!), (a.grad!, wa.grad!), (b.grad!, wb.grad!) })
            ours.RelativeDifference(exact).ShouldBeLessThan(3e-6);
    }
}
