using Peft.Kernels;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class DecodeProductTests
{
    [Theory]
    [InlineData(8, 1, false)]
    [InlineData(64, 172, false)]
    [InlineData(172, 64, true)]
    [InlineData(64, 7, true)]
    [InlineData(24, 32, true)]
    [InlineData(256, 512, true)]
    public void A_single_position_gives_what_torch_gives_for_it(int inputs, int outputs, bool biased)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        manual_seed(1);
        var (x, w, b) = (randn(1, 1, inputs), randn(outputs, inputs), biased ? randn(outputs) : null);

        DecodeProduct.Supports(x, w, b, inputs).ShouldBeTrue();
        var y = DecodeProduct.Run(x, w, b, inputs);

        y.shape.ShouldBe([1, 1, outputs]);
        var expected = nn.functional.linear(x.to(float64), w.to(float64), b?.to(float64));
        y.Difference(expected).ShouldBeLessThan(1e-4);   // float32 sums of up to 256 products
        DecodeProduct.Run(x.view(inputs), w, b, inputs).shape.ShouldBe([outputs]);
    }

    [Fact]
    public void Other_inputs_are_left_to_torch()
    {
        using var scope = NewDisposeScope();
        var (x, w) = (randn(1, 16), randn(8, 16));
        DecodeProduct.Supports(x, w, null, 16).ShouldBeFalse();   // gradients may be wanted
        using var grad = no_grad();
        DecodeProduct.Supports(x, w, null, 16).ShouldBeTrue();
        DecodeProduct.Supports(randn(2, 16), w, null, 16).ShouldBeFalse();
        DecodeProduct.Supports(randn(2, 8), w, null, 16).ShouldBeFalse();         // torch says what is wrong with it
        DecodeProduct.Supports(x, randn(16, 8).t(), null, 16).ShouldBeFalse();
        DecodeProduct.Supports(x.to(float64), w.to(float64), null, 16).ShouldBeFalse();
        DecodeProduct.Supports(randn(1, 10), randn(8, 10), null, 10).ShouldBeFalse();
        DecodeProduct.Supports(x, randn(1 << 14, 16), null, 16).ShouldBeFalse();   // large enough for threads
    }

    [Fact]
    public void A_linear_module_is_the_same_function_for_one_position_as_for_many()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var linear = new Linear(16, 10);
        linear.Weight.normal_();
        linear.Bias!.normal_();
        var x = randn(3, 1, 16);
        var together = linear.call(x);
        for (var row = 0; row < 3; row++)
            linear.call(x.narrow(0, row, 1)).Difference(together.narrow(0, row, 1)).ShouldBeLessThan(1e-5);   // float32 sums of 16 products
    }
}
