using Peft.Kernels;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

/// <summary>Dropout by masks that a seed gives: their distribution, and gradients.</summary>
public class DropoutMaskTests
{
    [Theory]
    [InlineData(0.1, 64, 512)]
    [InlineData(0.5, 700, 37)]   // columns that complete no vector
    [InlineData(0.9, 5000, 3)]
    [InlineData(0.05, 1, 20000)]
    public void Values_are_dropped_independently_and_the_others_scaled(double probability, int rows, int columns)
    {
        using var scope = NewDisposeScope();
        manual_seed(4);
        var x = randn(rows, columns).abs() + 1;
        var y = DropoutMask.Run(x, probability);
        var kept = y.ne(0);
        y.Difference(x * kept.to_type(ScalarType.Float32) * (float)(1 / (1 - probability))).ShouldBe(0);
        var dropped = kept.logical_not().to_type(ScalarType.Float64);
        ShouldBeFraction(dropped, probability);
        // Neighbours, also in the next row, and values at a distance of whole vectors.
        foreach (var (dimension, distance) in new[] { (1, 1), (1, 8), (1, 16), (0, 1), (0, 2), (0, 64) })
            if (dropped.size(dimension) > distance)
                ShouldBeFraction(dropped.narrow(dimension, 0, dropped.size(dimension) - distance) * dropped.narrow(dimension, distance, dropped.size(dimension) - distance), probability * probability);
        // Another mask, independent of the first.
        var next = DropoutMask.Run(x, probability).eq(0).to_type(ScalarType.Float64);
        ShouldBeFraction(next, probability);
        ShouldBeFraction(next * dropped, probability * probability);
        manual_seed(4);
        randn(rows, columns).Dispose();
        DropoutMask.Run(x, probability).Difference(y).ShouldBe(0, "torch's seed determines the mask");

        static void ShouldBeFraction(Tensor ones, double expected) => ones.mean().item<double>().ShouldBe(expected, 4.5 * Math.Sqrt(expected * (1 - expected) / ones.numel()));
    }

    [Fact]
    public void No_row_and_no_column_is_special()
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var dropped = DropoutMask.Run(ones(1024, 1024), 0.25).eq(0).to_type(ScalarType.Float64);
        // The largest of 2,048 deviations of a normal distribution; 5.5 would be exceeded once in 13,000 times.
        var limit = 5.5 * Math.Sqrt(0.25 * 0.75 / 1024);
        foreach (var dimension in new[] { 0, 1 }) (dropped.mean([dimension]) - 0.25).abs().max().item<double>().ShouldBeLessThan(limit);
    }

    [Fact]
    public void Gradients_have_the_mask_of_the_outputs()
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        var (x, residual, slope) = (randn(3, 7, 21).requires_grad_(), randn(3, 7, 21).requires_grad_(), randn(3, 7, 21));
        var y = DropoutMask.Run(x.transpose(0, 1), 0.3).transpose(0, 1);
        y.backward([slope]);
        x.grad!.RelativeDifference(slope * (y / x).detach()).ShouldBeLessThan(1e-6);

        x.grad = null;
        var steps = new NodeSteps(x, residual);
        steps.Add(new DropoutStep(0.3, 0, 1));
        var sum = steps.Run()[0];
        var kept = (sum - residual).detach().abs().gt(1e-6).to_type(ScalarType.Float32) / 0.7f;
        sum.RelativeDifference(residual + x * kept).ShouldBeLessThan(1e-6);
        sum.backward([slope]);
        x.grad!.RelativeDifference(slope * kept).ShouldBeLessThan(1e-6);
        residual.grad!.Difference(slope).ShouldBe(0);
    }

    [Theory]
    [InlineData(12, 64, 512, 8, true)]
    [InlineData(33, 40, 384, 19, false)]
    [InlineData(260, 128, 128, 64, true)]
    public void The_input_of_a_low_rank_update_is_dropped_and_that_of_the_frozen_product_is_not(int rows, int inputs, int outputs, int rank, bool inputLearns)
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        var (x, w, bias, slope) = (randn(rows, inputs), randn(outputs, inputs) / Math.Sqrt(inputs), randn(outputs), randn(rows, outputs));
        var (a, b) = (new Parameter(randn(rank, inputs)), new Parameter(randn(outputs, rank)));
        x.requires_grad = inputLearns;
        manual_seed(9);
        var y = LinearStep.Run(new PlainInput(), [x], null, LowRankProduct.Of(new FrozenMatrix(w), bias, a, b, 0.5, 0.2).ShouldNotBeNull())[0];
        y.backward([slope]);

        manual_seed(9);
        var mask = DropoutMask.Run(ones(rows, inputs), 0.2).to(float64);
        mask.eq(0).any().item<bool>().ShouldBeTrue();
        Tensor Wide(Tensor tensor) => tensor.detach().to(float64).requires_grad_();
        var (wx, wa, wb) = (Wide(x), Wide(a), Wide(b));
        var expected = nn.functional.linear(wx, w.to(float64), bias.to(float64)) + 0.5 * (wx * mask).mm(wa.t()).mm(wb.t());
        expected.backward([slope.to(float64)]);
        y.RelativeDifference(expected).ShouldBeLessThan(3e-6);
        foreach (var (ours, exact) in new[] { (a.grad!, wa.grad!), (b.grad!, wb.grad!) }) ours.RelativeDifference(exact).ShouldBeLessThan(3e-6);
        if (inputLearns) x.grad!.RelativeDifference(wx.grad!).ShouldBeLessThan(3e-6);
        else x.grad.ShouldBeNull();
    }

    [Fact]
    public void What_the_kernel_does_not_support_is_torchs()
    {
        using var scope = NewDisposeScope();
        foreach (var x in new[] { ones(40, 40, ScalarType.Float64), ones(40, 40, ScalarType.BFloat16) })
        {
            DropoutMask.Supports(x, 0.5).ShouldBeFalse();
            var y = DropoutMask.Run(x, 0.5);
            y.dtype.ShouldBe(x.dtype);
            y.eq(0).to_type(ScalarType.Float32).mean().item<float>().ShouldBe(0.5f, 0.1f);
        }
        DropoutMask.Run(ones(4, 4), 1).count_nonzero().item<long>().ShouldBe(0);
        DropoutMask.Run(ones(0, 4), 0.5).shape.ShouldBe([0, 4]);
        LowRankProduct.Of(new FrozenMatrix(randn(64, 64)), null, randn(8, 64), new Parameter(randn(64, 8)), 1, dropout: 1).ShouldBeNull();
    }
}
