using static TorchSharp.torch;

namespace Peft;

/// <summary>GaLore, Adam in the space of the gradient's leading singular vectors.</summary>
internal sealed class GaLore(FlatParameters parameters, double learningRate, GaLoreOptions options) : SliceOptimizer(parameters, learningRate, options)
{
    private protected override void Update(Tensor value, Tensor gradient, SliceState state, double rate, double decay)
    {
        if (value.dim() != 2 || Math.Min(value.size(0), value.size(1)) <= options.Rank)
        {
            AdamStep.Run(value, gradient, state, rate, decay, options.Beta1, options.Beta2, options.Epsilon);
            return;
        }
        var left = value.size(0) <= value.size(1);   // the shorter dimension is projected
        var projection = Projection(gradient, state, left);
        var low = left ? projection.t().mm(gradient) : gradient.mm(projection);
        var direction = AdamStep.Direction(low, state, options.Beta1, options.Beta2, options.Epsilon);
        var update = left ? projection.mm(direction) : direction.mm(projection.t());
        value.mul_(Constant(1 - rate * decay)).add_(update, alpha: Constant(-rate * options.Scale));
    }

    // [side, rank]
    private Tensor Projection(Tensor gradient, SliceState state, bool left)
    {
        if (state.Has("projection") && (Steps - 1) % options.UpdateInterval != 0) return state.Zeros("projection", gradient);
        var (u, _, v) = linalg.svd(gradient.to_type(ScalarType.Float32), fullMatrices: false);
        var vectors = left ? u.narrow(1, 0, options.Rank) : v.narrow(0, 0, options.Rank).t();
        return state.Set("projection", vectors.to_type(gradient.dtype).contiguous());
    }
}
