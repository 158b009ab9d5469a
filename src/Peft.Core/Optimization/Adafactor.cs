using static TorchSharp.torch;

namespace Peft;

/// <summary>Adafactor, with the second moments of a matrix factored into a row and a column.</summary>
internal sealed class Adafactor(FlatParameters parameters, double learningRate, AdafactorOptions options) : SliceOptimizer(parameters, learningRate, options)
{
    private protected override void Update(Tensor value, Tensor gradient, SliceState state, double rate, double decay)
    {
        var keep = 1 - Math.Pow(state.Count(), options.DecayRate);
        if (options.ScaleByParameter) rate *= Math.Max(options.MinimumScale, RootMeanSquare(value));
        var square = gradient.square().add_(Constant(options.Epsilon), One);
        var update = (value.dim() >= 2 ? Factored(value, square, state, keep) : Average(state.Zeros("exp_avg_sq", value), square, keep).rsqrt()).mul_(gradient);
        update.div_(Constant(Math.Max(1, RootMeanSquare(update) / options.ClipThreshold)));
        value.mul_(Constant(1 - rate * decay)).add_(update, alpha: Constant(-rate));
    }

    // 1/√v of the rank-one approximation v = row · column / mean(row).
    private static Tensor Factored(Tensor value, Tensor square, SliceState state, double keep)
    {
        var shape = value.shape;
        var row = Average(state.Zeros("exp_avg_sq_row", value, shape.AsSpan(0, shape.Length - 1)), square.mean([-1]), keep);
        var column = Average(state.Zeros("exp_avg_sq_col", value, [.. shape[..^2], shape[^1]]), square.mean([-2]), keep);
        return row.div(row.mean([-1], keepdim: true)).rsqrt_().unsqueeze(-1).mul(column.rsqrt().unsqueeze(-2));
    }

    private static Tensor Average(Tensor mean, Tensor next, double keep) => mean.mul_(Constant(keep)).add_(next, alpha: Constant(1 - keep));

    // 0 on the meta device, where there are no values.
    private static double RootMeanSquare(Tensor values) => values.is_meta ? 0 : values.square().mean().sqrt().to_type(ScalarType.Float64).item<double>();
}
