using static TorchSharp.torch;

namespace Peft;

/// <summary>SGD with momentum.</summary>
internal sealed class Sgd(FlatParameters parameters, double learningRate, SgdOptions options) : SliceOptimizer(parameters, learningRate, options)
{
    private protected override void Update(Tensor value, Tensor gradient, SliceState state, double rate, double decay)
    {
        value.mul_(Constant(1 - rate * decay));
        if (options.Momentum > 0)
        {
            var velocity = state.Zeros("momentum_buffer", value).mul_(Constant(options.Momentum)).add_(gradient, One);
            gradient = options.Nesterov ? gradient.add(velocity, alpha: Constant(options.Momentum)) : velocity;
        }
        value.add_(gradient, alpha: Constant(-rate));
    }
}
