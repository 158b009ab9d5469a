using static TorchSharp.torch;

namespace Peft.Core.Tests.Runtime;

public class ConvolutionGradientTests
{
    [Theory]
    [InlineData(1, 3)]
    [InlineData(2, 3)]
    [InlineData(2, 1)]
    public void Gradients_of_inputs_with_few_channels_are_right_on_this_machine(int dimensions, int kernel)
    {
        TorchRuntime.Require();
        using var scope = NewDisposeScope();
        manual_seed(1);
        long[] size = [.. Enumerable.Repeat(8L, dimensions)], window = [.. Enumerable.Repeat((long)kernel, dimensions)];
        var (x, w) = (randn([2, 3, .. size]).requires_grad_(), randn([6, 3, .. window]));
        Tensor Apply(Tensor input, Tensor weight) => dimensions == 1 ? nn.functional.conv1d(input, weight, padding: 1) : nn.functional.conv2d(input, weight, padding: [1, 1]);
        var y = Apply(x, w);
        var slope = randn(y.shape);
        y.backward([slope]);

        // The gradient of a linear map along a direction is what the map does to that direction.
        for (var i = 0; i < 4; i++)
        {
            var direction = randn(x.shape, float64);
            var expected = (Apply(direction, w.to(float64)) * slope).sum().item<double>();
            ((x.grad!.to(float64) * direction).sum().item<double>() - expected).ShouldBeInRange(-1e-3, 1e-3);
        }
    }
}
