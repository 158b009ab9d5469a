using static TorchSharp.torch;

namespace Peft.Testing;

/// <summary>Gradients against finite differences.</summary>
public static class GradientChecks
{
    /// <summary>Compares each trainable tensor's gradient of a loss with finite differences at some places, in float64.</summary>
    public static void ShouldHaveRightGradients(this PeftModel peft, Func<Tensor> loss)
    {
        foreach (var tensor in peft.Trainables) tensor.Value.grad = null;
        loss().backward();
        const double step = 1e-5;
        foreach (var tensor in peft.Trainables)
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            var (flat, gradient) = (tensor.Value.view(-1), tensor.Value.grad!.view(-1));
            for (long i = 0; i < flat.shape[0]; i += Math.Max(1, flat.shape[0] / 2))
            {
                var place = flat.narrow(0, i, 1);
                place.add_(step);
                var above = loss().item<double>();
                place.sub_(2 * step);
                var below = loss().item<double>();
                place.add_(step);
                // Rounding leaves about 1e-10 of the difference quotient, the third derivative as much.
                gradient[i].item<double>().ShouldBe((above - below) / (2 * step), 1e-6 * (1 + Math.Abs(above)), $"{tensor.Name}[{i}]");
            }
        }
    }
}
