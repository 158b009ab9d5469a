using Peft.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class LinearNodeTests
{
    [Theory]
    [InlineData(false, 16, 24)]   // small matrices: the factored product
    [InlineData(true, 16, 24)]
    [InlineData(false, 320, 264)] // large ones: BLAS and thin products
    [InlineData(true, 320, 264)]
    public void Several_products_of_one_input_have_the_gradients_of_the_formula(bool gated, int inputs, int outputs)
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        var (x, u) = (randn(2, 7, inputs).requires_grad_(), randn(2, 7, inputs).requires_grad_());
        var (weight, residual) = (randn(inputs).abs(), randn(2, 7, outputs).requires_grad_());
        var (w1, w2, w3) = (randn(outputs, inputs), randn(outputs, inputs), randn(outputs, inputs));
        var bias = randn(outputs);
        var (a1, b1, a2, b2) = (new Parameter(randn(3, inputs)), new Parameter(randn(outputs, 3)), new Parameter(randn(8, inputs)), new Parameter(randn(outputs, 8)));
        var slopes = new[] { randn(2, 7, outputs), randn(2, 7, outputs), randn(2, 7, outputs), randn(2, 7, outputs) };

        NodeInput Input() => gated ? new GatedInput(x, u) : new NormalizedInput(x, weight, 1e-3, 1);
        NodeProduct Product(Tensor w, Tensor? b, Tensor a, Tensor d) => ((NodeProduct?)FactoredProduct.Of(w, b, a, d, 0.5) ?? LowRankProduct.Of(new FrozenMatrix(w), b, a, d, 0.5)).ShouldNotBeNull();
        var ys = LinearNode.Run(Input(), Product(w1, bias, a1, b1), PlainProduct.Of(new FrozenMatrix(w3), bias)!, Product(w2, null, a2, b2));
        var last = LinearNode.Run(Input(), PlainProduct.Of(new FrozenMatrix(w3), null)!, residual);
        autograd.backward([.. ys, last], slopes);

        Tensor[] leaves = [x, u, a1, b1, a2, b2, residual];
        var wide = leaves.Select(leaf => leaf.detach().to(float64).requires_grad_()).ToArray();
        var input = gated ? nn.functional.silu(wide[0]) * wide[1] : wide[0] * (wide[0].square().mean([-1], keepdim: true) + 1e-3).rsqrt() * (weight.to(float64) + 1);
        Tensor Linear(Tensor w, Tensor? b) => nn.functional.linear(input, w, b?.to(float64));
        var exact = new[] { Linear(w1.to(float64) + 0.5 * wide[3].mm(wide[2]), bias), Linear(w3.to(float64), bias), Linear(w2.to(float64) + 0.5 * wide[5].mm(wide[4]), null), wide[6] + Linear(w3.to(float64), null) };
        autograd.backward(exact, slopes.Select(slope => slope.to(float64)).ToArray());

        foreach (var (ours, theirs) in ys.Append(last).Zip(exact)) ours.RelativeDifference(theirs).ShouldBeLessThan(3e-6);
        foreach (var (ours, theirs) in leaves.Zip(wide))
        {
            (ours.grad is null).ShouldBe(theirs.grad is null);   // up is no source of a norm
            if (ours.grad is { } gradient) gradient.RelativeDifference(theirs.grad!).ShouldBeLessThan(3e-6);
        }
    }

    [Fact]
    public void An_output_that_the_loss_does_not_use_has_the_gradient_zero()
    {
        using var scope = NewDisposeScope();
        var (x, w, a, b) = (randn(4, 16).requires_grad_(), randn(24, 16), new Parameter(randn(2, 16)), new Parameter(randn(24, 2)));
        var ys = LinearNode.Run(new PlainInput(x), FactoredProduct.Of(w, null, a, b, 1)!, PlainProduct.Of(new FrozenMatrix(w), null)!);
        ys[1].sum().backward();
        x.grad!.Difference(w.sum(dim: 0).expand(4, 16)).ShouldBeLessThan(1e-4);
        a.grad!.abs().max().item<float>().ShouldBe(0);
    }

    [Fact]
    public void What_a_node_saved_is_freed_in_a_backward_pass_that_runs_once_and_only_there()
    {
        using var scope = NewDisposeScope();
        var x = randn(3).requires_grad_();
        var y = Squaring.Of(x);
        y.sum().backward(retain_graph: true);
        Squaring.Context!.get_saved_variables().Count.ShouldBe(1);
        using (SavedTensors.InOnePass()) y.sum().backward();
        x.grad!.Difference(x * 4).ShouldBeLessThan(1e-6);
        Squaring.Context!.get_saved_variables().ShouldBeEmpty();
    }

    [Fact]
    public void Gradients_do_not_stay_in_memory_until_the_end_of_the_step()
    {
        using var scope = NewDisposeScope();
        var x = randn(3).requires_grad_();
        var y = Squaring.Of(Squaring.Of(Squaring.Of(x))).sum();
        var before = scope.DisposablesCount;
        y.backward();
        scope.DisposablesCount.ShouldBe(before);
    }

    [Fact]
    public void A_matrix_that_changed_since_the_forward_pass_is_noticed_in_the_backward_pass()
    {
        // An exception in a backward pass written in C# ends the process, so the check is asked for directly.
        using var scope = NewDisposeScope();
        var x = randn(3).requires_grad_();
        var y = Squaring.Of(x);
        using (no_grad()) x.add_(1);
        Should.Throw<System.Runtime.InteropServices.ExternalException>(() => Squaring.Context!.get_saved_variables()).Message.ShouldContain("modified by an inplace operation");
        y.Dispose();
    }

    // x², whose saved tensors can be asked for.
    private sealed class Squaring : GraphNode<Squaring>
    {
        public static autograd.AutogradContext? Context { get; private set; }

        public static Tensor Of(Tensor x) => Record(x)[0];

        protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
        {
            Context = context;
            context.save_for_backward([(Tensor)arguments[0]]);
            return [((Tensor)arguments[0]).square()];
        }

        protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
        {
            return [gradients[0] * context.get_saved_variables()[0] * 2];
        }
    }
}
