using Peft.Kernels;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

/// <summary>Products whose inputs and outputs are scaled, around each kind of product.</summary>
public class ScaledProductTests
{
    [Theory]
    [InlineData(5, 264, 336, true, true, true)]
    [InlineData(101, 776, 392, false, true, true)]
    [InlineData(48, 64, 172, true, false, false)]
    [InlineData(48, 64, 172, true, false, true)]
    [InlineData(33, 172, 64, false, true, false)]
    [InlineData(7, 20, 9, true, true, true)]
    public void Output_and_gradients_are_those_of_the_formula(int rows, int inputs, int outputs, bool scalesInputs, bool scalesOutputs, bool hasBias)
    {
        foreach (var kind in new[] { "trained", "factored", "folded" })
        {
            using var scope = NewDisposeScope();
            manual_seed(rows);
            var (x, residual, slope) = (randn(3, rows, inputs).requires_grad_(), randn(3, rows, outputs).requires_grad_(), randn(3, rows, outputs));
            var (i, o, bias) = (scalesInputs ? new Parameter(randn(inputs)) : null, scalesOutputs ? new Parameter(randn(outputs)) : null, hasBias ? new Parameter(randn(outputs)) : null);
            var (w, u, v) = (new Parameter(randn(outputs, inputs), requires_grad: kind == "trained"), new Parameter(randn(outputs, 2)), new Parameter(randn(2, inputs)));
            NodeProduct inner = kind switch
            {
                "trained" => TrainedProduct.Of(w, false, null)!,
                "factored" => ((NodeProduct?)FactoredProduct.Of(w, null, v, u, 1) ?? LowRankProduct.Of(new FrozenMatrix(w), null, v, u, 1))!,
                _ => new FoldedProduct(() => new(w + u.mm(v), null), CPU),
            };
            var y = LinearStep.Run(new PlainInput(), [x], residual, ScaledProduct.Of(inner, new(i, o, bias)).ShouldNotBeNull())[0];
            y.backward([slope]);

            Tensor?[] leaves = [x, residual, i, o, bias, .. kind == "trained" ? new Tensor[] { w } : [u, v]];
            var exact = leaves.Select(leaf => leaf?.detach().to(float64).requires_grad_()).ToArray();
            var weight = kind == "trained" ? exact[5]! : w.to(float64) + exact[5]!.mm(exact[6]!);
            var expected = nn.functional.linear(exact[2] is { } before ? exact[0]! * before : exact[0]!, weight);
            if (exact[3] is { } after) expected = expected * after;
            expected = (exact[4] is { } plus ? expected + plus : expected) + exact[1]!;
            expected.backward([slope.to(float64)]);
            y.RelativeDifference(expected).ShouldBeLessThan(2e-6, kind);
            foreach (var (ours, theirs) in leaves.Zip(exact).Where(pair => pair.First is not null)) ours!.grad!.RelativeDifference(theirs!.grad!).ShouldBeLessThan(5e-6, kind);
        }
    }

    // The gradient of an input that several products share is a sum.
    [Fact]
    public void Products_of_one_input_add_their_gradients()
    {
        using var scope = NewDisposeScope();
        var (x, w, scale, other) = (randn(20, 64).requires_grad_(), randn(72, 64), new Parameter(randn(64)), new Parameter(randn(72)));
        ScaledProduct Of(ChannelScales scales) => ScaledProduct.Of(TrainedProduct.Of(new Parameter(w.clone()), false, null)!, scales)!;
        var y = LinearStep.Run(new PlainInput(), [x], null, Of(new(scale, null, null)), Of(new(scale, other, null)), Of(new(null, other, null)));
        Tensor[] slopes = [.. y.Select(each => randn_like(each))];
        autograd.backward([.. y], slopes);

        var exact = new Tensor[] { x, scale, other }.Select(leaf => leaf.detach().to(float64).requires_grad_()).ToArray();
        Tensor Times(Tensor input) => nn.functional.linear(input, w.to(float64));
        autograd.backward([Times(exact[0] * exact[1]), Times(exact[0] * exact[1]) * exact[2], Times(exact[0]) * exact[2]], [.. slopes.Select(slope => slope.to(float64))]);
        foreach (var (ours, theirs) in new Tensor[] { x, scale, other }.Zip(exact)) ours.grad!.RelativeDifference(theirs.grad!).ShouldBeLessThan(5e-6);
    }
}
