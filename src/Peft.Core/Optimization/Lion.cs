using static TorchSharp.torch;

namespace Peft;

/// <summary>Lion, which updates by the sign of the momentum.</summary>
internal sealed class Lion(FlatParameters parameters, double learningRate, LionOptions options) : SliceOptimizer(parameters, learningRate, options)
{
    private protected override void Update(Tensor value, Tensor gradient, SliceState state, double rate, double decay)
    {
        var mean = state.Zeros("exp_avg", value);
        value.mul_(Constant(1 - rate * decay));
        value.add_(mean.mul(Constant(options.Beta1)).add_(gradient, alpha: Constant(1 - options.Beta1)).sign_(), alpha: Constant(-rate));
        mean.mul_(Constant(options.Beta2)).add_(gradient, alpha: Constant(1 - options.Beta2));
    }
}
