using Peft.Kernels;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class HadamardKernelTests
{
    [Theory]
    [InlineData(70, 48, 8, 8)]
    [InlineData(5, 8, 1, 3)]
    [InlineData(33, 200, 19, 2)]
    [InlineData(129, 576, 4, 16)]
    public void Update_and_gradients_are_those_of_the_formula(int rows, int columns, int rank, int other)
    {
        using var scope = NewDisposeScope();
        manual_seed(rows);
        Parameter[] factors = [new(randn(rows, rank)), new(randn(rank, columns)), new(randn(rows, other)), new(randn(other, columns))];
        var slope = randn(rows, columns);
        HadamardKernel.Supports(factors[0], factors[1], factors[2], factors[3]).ShouldBeTrue();
        var y = HadamardUpdate.Of(factors[0], factors[1], factors[2], factors[3], 0.7);
        y.backward([slope]);

        var exact = factors.Select(factor => factor.detach().to(float64).requires_grad_()).ToArray();
        var expected = exact[0].mm(exact[1]) * exact[2].mm(exact[3]) * 0.7;
        expected.backward([slope.to(float64)]);
        y.RelativeDifference(expected).ShouldBeLessThan(2e-6);
        foreach (var (ours, theirs) in factors.Zip(exact)) ours.grad!.RelativeDifference(theirs.grad!).ShouldBeLessThan(5e-6);
        using var without = no_grad();
        HadamardUpdate.Of(factors[0], factors[1], factors[2], factors[3], 0.7).Equals(y).ShouldBeTrue();
    }

    [Fact]
    public void Other_widths_and_types_are_computed_by_torch()
    {
        using var scope = NewDisposeScope();
        foreach (var (columns, type) in new[] { (21, float32), (24, float64) })
        {
            Tensor[] factors = [.. new[] { randn(10, 3), randn(3, columns), randn(10, 2), randn(2, columns) }.Select(factor => factor.to(type).requires_grad_())];
            HadamardKernel.Supports(factors[0], factors[1], factors[2], factors[3]).ShouldBeFalse();
            HadamardUpdate.Of(factors[0], factors[1], factors[2], factors[3], 2).RelativeDifference(factors[0].mm(factors[1]) * factors[2].mm(factors[3]) * 2).ShouldBeLessThan(1e-6);
        }
    }

    [Fact]
    public void Factors_that_do_not_fit_are_refused()
    {
        using var scope = NewDisposeScope();
        Should.Throw<ArgumentException>(() => HadamardUpdate.Of(ones(3, 2), ones(2, 8), ones(3, 2), ones(2, 16), 1)).Message.ShouldContain("two products of one shape");
        Should.Throw<ArgumentException>(() => HadamardUpdate.Of(ones(3, 2), ones(1, 8), ones(3, 2), ones(2, 8), 1));
    }
}
