using static TorchSharp.torch;

namespace Peft;

/// <summary>Schedule-free AdamW.</summary>
internal sealed class ScheduleFreeAdamW(FlatParameters parameters, double learningRate, ScheduleFreeAdamWOptions options) : SliceOptimizer(parameters, learningRate, options)
{
    // During training, the parameters contain y. Steps with a higher learning rate (after the warmup) have a higher weight in the mean.
    private protected override void Update(Tensor value, Tensor gradient, SliceState state, double rate, double decay)
    {
        var steps = state.Count();
        if (!state.Has("z")) state.Zeros("z", value).copy_(value);
        var z = state.Zeros("z", value);
        var square = state.Zeros("exp_avg_sq", value).mul_(Constant(options.Beta2)).addcmul_(gradient, gradient, Constant(1 - options.Beta2));
        var denominator = square.div(Constant(1 - Math.Pow(options.Beta2, steps))).sqrt_().add_(Constant(options.Epsilon), One);
        var direction = gradient.div(denominator).add_(value, alpha: Constant(decay));
        var (largestRate, weightSum) = (Number(state, "largest_rate", value.dtype), Number(state, "weight_sum", value.dtype));
        var largest = Math.Max(rate, Read(largestRate));
        var weight = largest * largest;
        var total = Read(weightSum) + weight;
        largestRate.fill_(Constant(largest));
        weightSum.fill_(Constant(total));
        var c = total == 0 ? 0 : weight / total;
        // y ← (1 − c)·y + c·z − η·(1 − β₁·(1 − c))·d: the mean moves by c towards the new z.
        value.mul_(Constant(1 - c)).add_(z, alpha: Constant(c)).add_(direction, alpha: Constant(-rate * (1 - options.Beta1 * (1 - c))));
        z.add_(direction, alpha: Constant(-rate));
    }

    internal override IDisposable BeginEvaluation()
    {
        var trained = Parameters.Buffers.Select(buffer => buffer.Values.clone().DetachFromDisposeScope()).ToList();
        Finish();
        return new Back(Parameters, trained);
    }

    // x = y + (1 − 1/β₁)·(z − y)
    internal override void Finish()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var buffer in Parameters.Buffers)
            foreach (var slice in buffer.Slices)
                if (StateOf(slice.Tensor.Name).TryGetValue("z", out var z))
                {
                    var value = slice.Of(buffer.Values);
                    value.add_(z.sub(value), alpha: Constant(1 - 1 / options.Beta1));
                }
    }

    // On the CPU, where it is read in each step.
    private static Tensor Number(SliceState state, string name, ScalarType type) => state.Zeros(name, zeros(1, type));

    private static double Read(Tensor number) => number.to_type(ScalarType.Float64).item<double>();

    // Restores y bit for bit.
    private sealed class Back(FlatParameters parameters, List<Tensor> trained) : IDisposable
    {
        public void Dispose()
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            for (var i = 0; i < trained.Count; i++)
            {
                parameters.Buffers[i].Values.copy_(trained[i]);
                trained[i].Dispose();
            }
        }
    }

    private readonly ScheduleFreeAdamWOptions options = options;
}
