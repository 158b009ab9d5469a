using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class FlatKernelTests
{
    [Theory]
    [InlineData(1024)]
    [InlineData(47 * 1024)]
    [InlineData(300 * 1024)]   // several work items
    public void Passes_over_gradients_are_those_of_torch(int length)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        foreach (var type in new[] { float32, float64, bfloat16 })
        {
            var (values, added) = (randn(length).to(type), randn(length).to(type));
            var (exact, other) = (values.to(float64).clone(), added.to(float64));
            FlatKernel.Norm(values, 1024).item<float>().ShouldBe((float)Math.Sqrt(exact.square().sum().item<double>()), 1e-3f);
            FlatKernel.Add(values, added);
            exact += other;
            FlatKernel.Scale(values, 0.37f);
            exact *= 0.37f;
            values.RelativeDifference(exact).ShouldBeLessThan(type == bfloat16 ? 0.02 : 1e-6);
            FlatKernel.Clear(values);
            values.count_nonzero().item<long>().ShouldBe(0);
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_gradient_that_is_not_finite_gives_a_norm_that_is_not(float value)
    {
        using var scope = NewDisposeScope();
        var values = ones(200 * 1024);
        values[150_001] = value;
        float.IsFinite(FlatKernel.Norm(values, 1024).item<float>()).ShouldBeFalse();
    }
}
