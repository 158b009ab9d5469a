using Peft.Kernels;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class LayerNormKernelTests
{
    [Theory]
    [InlineData(16, true)]
    [InlineData(384, false)]
    [InlineData(21, true)]   // no whole vectors: left to torch
    public void The_module_gives_the_formulas_values_in_training_and_in_inference(int size, bool biased)
    {
        using var scope = NewDisposeScope();
        manual_seed(size);
        using var norm = new LayerNorm(size, 1e-5, biased);
        using (no_grad())
            foreach (var parameter in norm.parameters()) parameter.copy_(randn(parameter.shape)).requires_grad_(false);
        LayerNormKernel.Supports(randn(3, size), norm.Weight, norm.Bias).ShouldBeFalse("outside of inference mode");
        foreach (var x in new[] { randn(size), randn(2, 67, size) * 3 + 100, randn(2, size, 5).transpose(1, 2), randn(0, size) })
        {
            var wide = x.to(float64);
            var exact = (wide - wide.mean([-1], keepdim: true)) / (wide.var([-1], unbiased: false, keepdim: true) + 1e-5).sqrt() * norm.Weight.to(float64) + (norm.Bias?.to(float64) ?? zeros(1, float64));
            var learning = norm.call(x.detach().requires_grad_());
            learning.requires_grad.ShouldBeTrue();
            using var own = inference_mode();
            LayerNormKernel.Supports(x, norm.Weight, norm.Bias).ShouldBe(size % 8 == 0);
            foreach (var y in new[] { learning, norm.call(x) })
            {
                y.shape.ShouldBe(x.shape);
                if (x.numel() > 0) y.to(float64).Difference(exact).ShouldBeLessThan(2e-4, "values of 100 have 5 digits less");
            }
        }
        norm.call(randn(2, size)).requires_grad.ShouldBeFalse();
        norm.Weight.requires_grad_();
        norm.call(randn(2, size)).requires_grad.ShouldBeTrue();
        Should.Throw<ArgumentException>(() => norm.call(randn(2, size + 8)));
    }

    [Fact]
    public void Tensors_that_are_too_long_for_the_kernels_are_left_to_torch()
    {
        using var scope = NewDisposeScope();
        TensorMemory.Supports(zeros(1).expand(int.MaxValue)).ShouldBeTrue();
        TensorMemory.Supports(zeros(1).expand(1L << 31)).ShouldBeFalse();
        using var own = inference_mode();
        ActivationKernel.Supports("gelu", zeros(1).expand(int.MaxValue)).ShouldBeTrue();
        ActivationKernel.Supports("gelu", zeros(1).expand(1L << 31)).ShouldBeFalse();
    }
}
