using static TorchSharp.torch;

namespace Peft;

/// <summary>A step of AdamW on one tensor, for optimizers that use it for some tensors.</summary>
internal static class AdamStep
{
    /// <summary>Updates the values in place.</summary>
    public static void Run(Tensor value, Tensor gradient, SliceState state, double rate, double decay, double beta1, double beta2, double epsilon)
        => value.mul_(Constant(1 - rate * decay)).add_(Direction(gradient, state, beta1, beta2, epsilon), alpha: Constant(-rate));

    /// <summary>Updates the moments in the state, and returns m̂ / (√v̂ + ε), a new tensor.</summary>
    public static Tensor Direction(Tensor gradient, SliceState state, double beta1, double beta2, double epsilon)
    {
        var steps = state.Count();
        var mean = state.Zeros("exp_avg", gradient).mul_(Constant(beta1)).add_(gradient, alpha: Constant(1 - beta1));
        var square = state.Zeros("exp_avg_sq", gradient).mul_(Constant(beta2)).addcmul_(gradient, gradient, Constant(1 - beta2));
        var denominator = square.div(Constant(1 - Math.Pow(beta2, steps))).sqrt_().add_(Constant(epsilon), One);
        return mean.div(Constant(1 - Math.Pow(beta1, steps))).div_(denominator);
    }
}
