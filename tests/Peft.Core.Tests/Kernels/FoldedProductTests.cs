using Peft.Kernels;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

/// <summary>Products with weights that torch computes from trained tensors.</summary>
public class FoldedProductTests
{
    [Theory]
    [InlineData(5, 264, 330, true)]
    [InlineData(101, 776, 392, true)]
    [InlineData(48, 64, 172, false)]
    [InlineData(7, 20, 9, true)]
    public void Output_and_gradients_are_those_of_the_formula(int rows, int inputs, int outputs, bool hasBias)
    {
        using var scope = NewDisposeScope();
        manual_seed(rows);
        var (x, residual, slope) = (randn(3, rows, inputs).requires_grad_(), randn(3, rows, outputs).requires_grad_(), randn(3, rows, outputs));
        // W and b share a trained tensor.
        var (w, u, v) = (new Parameter(randn(outputs, inputs), requires_grad: false), new Parameter(randn(outputs, 1)), new Parameter(randn(1, inputs)));
        Weights Fold() => new(w + u * v, hasBias ? u.view(-1) * 2 : null);
        var y = LinearStep.Run(new PlainInput(), [x], residual, new FoldedProduct(Fold, CPU))[0];
        y.backward([slope]);

        var exact = new Tensor[] { x, residual, w, u, v }.Select(leaf => leaf.detach().to(float64).requires_grad_()).ToArray();
        var expected = nn.functional.linear(exact[0], exact[2] + exact[3] * exact[4], hasBias ? exact[3].view(-1) * 2 : null) + exact[1];
        expected.backward([slope.to(float64)]);
        y.RelativeDifference(expected).ShouldBeLessThan(2e-6);
        foreach (var (ours, theirs) in new Tensor[] { x, residual, u, v }.Zip([exact[0], exact[1], exact[3], exact[4]])) ours.grad!.RelativeDifference(theirs.grad!).ShouldBeLessThan(5e-6);
        w.grad.ShouldBeNull();
    }

    // The backward pass has the random values of the forward pass, and later draws do not change by it.
    [Fact]
    public void Weights_with_random_values_have_the_same_in_both_passes()
    {
        using var scope = NewDisposeScope();
        var (x, slope) = (randn(40, 64).requires_grad_(), randn(40, 72));
        var noise = new Parameter(zeros(72, 64));
        manual_seed(5);
        var y = LinearStep.Run(new PlainInput(), [x], null, new FoldedProduct(() => new(noise * rand(72, 64) + rand(72, 64), null), CPU))[0];
        var next = rand(3);
        manual_seed(9);
        y.backward([slope]);
        var after = rand(3);

        manual_seed(5);
        var (factors, weight) = (rand(72, 64), rand(72, 64));
        rand(3).Equals(next).ShouldBeTrue();
        manual_seed(9);
        rand(3).Equals(after).ShouldBeTrue();
        x.grad!.RelativeDifference(slope.mm(weight)).ShouldBeLessThan(1e-5);
        noise.grad!.RelativeDifference(slope.t().mm(x.detach()) * factors).ShouldBeLessThan(1e-5);
    }
}
