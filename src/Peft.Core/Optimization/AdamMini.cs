using static TorchSharp.torch;

namespace Peft;

/// <summary>Adam with one second moment for each block of a tensor.</summary>
internal sealed class AdamMini(FlatParameters parameters, double learningRate, AdamMiniOptions options) : SliceOptimizer(parameters, learningRate, options)
{
    private protected override void Update(Tensor value, Tensor gradient, SliceState state, double rate, double decay)
    {
        var steps = state.Count();
        var mean = state.Zeros("exp_avg", value).mul_(Constant(options.Beta1)).add_(gradient, alpha: Constant(1 - options.Beta1));
        var blocks = gradient.dim() < 2 ? gradient.square().mean().reshape(1) : gradient.square().reshape(gradient.size(0), -1).mean([1]);
        var square = state.Zeros("exp_avg_sq", value, blocks.shape).mul_(Constant(options.Beta2)).add_(blocks, alpha: Constant(1 - options.Beta2));
        var denominator = square.div(Constant(1 - Math.Pow(options.Beta2, steps))).sqrt_().add_(Constant(options.Epsilon), One);
        if (gradient.dim() >= 2) denominator = denominator.view([-1, .. value.shape[1..].Select(_ => 1L)]);
        value.mul_(Constant(1 - rate * decay)).addcdiv_(mean, denominator.expand(value.shape), Constant(-rate / (1 - Math.Pow(options.Beta1, steps))));
    }
}
