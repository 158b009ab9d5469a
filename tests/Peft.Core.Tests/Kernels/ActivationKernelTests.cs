using Peft.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

/// <summary>Activation functions and their derivatives against torch in float64.</summary>
public class ActivationKernelTests
{
    public static TheoryData<string, bool> Cases
    {
        get
        {
            var data = new TheoryData<string, bool>();
            foreach (var name in new[] { "silu", "swish", "relu", "relu2", "quick_gelu", "gelu", "gelu_python", "gelu_new", "gelu_pytorch_tanh" })
                foreach (var gated in new[] { true, false }) data.Add(name, gated);
            return data;
        }
    }

    private static Tensor Exact(string name, Tensor x) => name switch
    {
        "silu" or "swish" => nn.functional.silu(x),
        "relu" => nn.functional.relu(x),
        "relu2" => nn.functional.relu(x).square(),
        "quick_gelu" => x * (x * 1.702).sigmoid(),
        "gelu" or "gelu_python" => nn.functional.gelu(x),
        _ => x.gelu(GELU.Approximate.tanh),
    };

    [Theory, MemberData(nameof(Cases))]
    public void Values_and_derivatives_are_those_of_the_function(string name, bool gated)
    {
        using var scope = NewDisposeScope();
        manual_seed(6);
        var special = tensor(new[] { 0f, -0f, 1e-20f, -1e-20f, 50f, -50f, 1e4f, -1e4f });
        var x = cat([randn(20_003) * 3, special]);
        var (up, gradient) = (gated ? randn(x.shape) : null, randn(x.shape));
        var y = ActivationKernel.Run(name, x, up, empty_like(x));
        var (ofX, ofUp) = (empty_like(x), gated ? empty_like(x) : null);
        ActivationKernel.Differentiate(name, x, up, gradient, ofX, ofUp);

        var (wideX, wideUp) = (x.to(float64).requires_grad_(), up?.to(float64).requires_grad_());
        var exact = Exact(name, wideX);
        if (wideUp is not null) exact = exact * wideUp;
        exact.backward([gradient.to(float64)]);
        (y.to(float64) - exact).abs().div(exact.abs() + 0.1).max().item<double>().ShouldBeLessThan(2e-6);
        (ofX.to(float64) - wideX.grad!).abs().div(wideX.grad!.abs() + 0.1).max().item<double>().ShouldBeLessThan(2e-6);
        if (gated) (ofUp!.to(float64) - wideUp!.grad!).abs().div(wideUp.grad!.abs() + 0.1).max().item<double>().ShouldBeLessThan(2e-6);

        // One of the results may be written over the gradient.
        var over = gradient.clone();
        var other = gated ? empty_like(x) : over;
        ActivationKernel.Differentiate(name, x, up, over, other, gated ? over : null);
        other.Difference(ofX).ShouldBe(0);
        if (gated) over.Difference(ofUp!).ShouldBe(0);
    }

    [Theory]
    [InlineData("silu")]
    [InlineData("gelu")]
    [InlineData("gelu_new")]
    [InlineData("quick_gelu")]
    public void Derivatives_far_from_zero_are_0_and_1(string name)
    {
        using var scope = NewDisposeScope();
        var x = tensor(new[] { 1e18f, 1e30f, 3e38f, -1e18f, -1e30f, -3e38f, 1e10f, float.NegativeInfinity });
        var ofX = empty_like(x);
        ActivationKernel.Differentiate(name, x, null, ones_like(x), ofX, null);
        foreach (var (slope, exact) in ofX.data<float>().ToArray().Zip(new[] { 1f, 1, 1, 0, 0, 0, 1, 0 })) slope.ShouldBe(exact, 1e-30);
        var y = ActivationKernel.Run(name, x, null, empty_like(x));
        foreach (var (value, exact) in y.data<float>().ToArray().Zip(new[] { 1e18f, 1e30f, 3e38f, 0, 0, 0, 1e10f, 0 })) value.ShouldBe(exact, 1e-30);
    }

    // torch computes ½x·(1 + erf(x/√2)), whose sum has few correct digits, or none, where erf is near −1.
    [Fact]
    public void Gelu_has_correct_digits_for_negative_values()
    {
        using var scope = NewDisposeScope();
        var x = linspace(-12, 3, 100_001, float32);
        var wide = x.to(float64);
        var exact = special.erfc(wide * -Math.Sqrt(0.5)) * wide * 0.5;
        var y = ActivationKernel.Run("gelu", x, null, empty_like(x));
        (y.to(float64) - exact).abs().div(exact.abs() + 1e-38).max().item<double>().ShouldBeLessThan(1e-6);
    }

    [Fact]
    public void Values_that_are_not_numbers_stay_so()
    {
        using var scope = NewDisposeScope();
        foreach (var name in new[] { "silu", "quick_gelu", "gelu", "gelu_new" })
        {
            var (x, ofX) = (full(8, float.NaN), empty(8));
            ActivationKernel.Run(name, x, null, empty_like(x)).isnan().all().item<bool>().ShouldBeTrue(name);
            ActivationKernel.Differentiate(name, x, null, ones_like(x), ofX, null);
            ofX.isnan().all().item<bool>().ShouldBeTrue(name);
        }
    }
}
