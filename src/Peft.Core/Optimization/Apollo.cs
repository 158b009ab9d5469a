using static TorchSharp.torch;

namespace Peft;

/// <summary>APOLLO, which scales the channels of gradients by Adam on a random projection.</summary>
internal sealed class Apollo(FlatParameters parameters, double learningRate, ApolloOptions options) : SliceOptimizer(parameters, learningRate, options)
{
    private protected override void Update(Tensor value, Tensor gradient, SliceState state, double rate, double decay)
    {
        if (value.dim() != 2 || Math.Min(value.size(0), value.size(1)) <= options.Rank)
        {
            AdamStep.Run(value, gradient, state, rate, decay, options.Beta1, options.Beta2, options.Epsilon);
            return;
        }
        var left = value.size(0) <= value.size(1);   // the shorter dimension is projected; channels run along the longer one
        var projection = Projection(gradient, state.TensorName, left);
        var low = left ? projection.mm(gradient) : gradient.mm(projection.t());
        var direction = AdamStep.Direction(low, state, options.Beta1, options.Beta2, options.Epsilon);
        long[]? along = options.ScaleByTensor ? null : [left ? 0 : 1];
        var scale = Norm(direction, along).div_(Norm(low, along).add_(Constant(1e-8), One));
        var update = gradient.mul(scale).mul_(Constant(options.Scale));
        Limit(update, state);
        value.mul_(Constant(1 - rate * decay)).add_(update, alpha: Constant(-rate));
    }

    // [rank, side], the same for all steps of an interval: derived from the seed, so no state is kept.
    private Tensor Projection(Tensor gradient, string name, bool left)
    {
        var side = gradient.shape[left ? 0 : 1];
        var random = new SplitMix64(SplitMix64.Mix(options.Seed, (Steps - 1) / options.UpdateInterval) ^ (ulong)Hash(name));
        var values = new float[options.Rank * side];
        for (var i = 0; i < values.Length; i += 2)
        {
            // Box–Muller transform: two normal values from two uniform ones.
            var (radius, angle) = (Math.Sqrt(-2 * Math.Log(1 - Uniform(ref random))), 2 * Math.PI * Uniform(ref random));
            values[i] = (float)(radius * Math.Cos(angle));
            if (i + 1 < values.Length) values[i + 1] = (float)(radius * Math.Sin(angle));
        }
        return tensor(values, [options.Rank, side], device: gradient.device).to_type(gradient.dtype).div_(Constant(Math.Sqrt(options.Rank)));
    }

    private static double Uniform(ref SplitMix64 random) => (random.Next() >> 11) * (1.0 / (1L << 53));

    private static long Hash(string name) => name.Aggregate(1469598103934665603L, (hash, letter) => (hash ^ letter) * 1099511628211L);

    private static Tensor Norm(Tensor values, long[]? along) => along is null ? values.square().sum().sqrt() : values.square().sum(along, keepdim: true).sqrt();

    private void Limit(Tensor update, SliceState state)
    {
        var norm = update.square().sum().sqrt();
        if (state.Has("norm"))
        {
            var limit = state.Zeros("norm", update, 1).mul(Constant(options.NormGrowthLimit));
            var factor = limit.div(norm.add(Constant(1e-8), One)).clamp_max(Constant(1));
            update.mul_(factor);
            norm = norm.mul(factor);
        }
        state.Set("norm", norm.reshape(1));
    }
}
