using static TorchSharp.torch;

namespace Peft;

/// <summary>Rewards of tokens, advantages and returns of PPO. Tensors are <c>[rows, width]</c>; token T is the last of a completion.</summary>
internal sealed class PpoReturns
{
    /// <param name="policy">Log-probabilities at generation, 0 beyond T.</param>
    /// <param name="reference">Log-probabilities under the reference, 0 beyond T.</param>
    /// <param name="values">Values at generation.</param>
    /// <param name="scores">Scores of the completions, <c>[rows, 1]</c>.</param>
    /// <param name="mask">1 for tokens up to T.</param>
    /// <param name="options">Settings.</param>
    /// <param name="klCoefficient">Weight of the divergence.</param>
    public PpoReturns(Tensor policy, Tensor reference, Tensor values, Tensor scores, Tensor mask, PpoOptions options, double klCoefficient)
    {
        var width = mask.size(1);
        var lengths = mask.sum(dim: 1, keepdim: true).to_type(ScalarType.Int64);
        var positions = arange(Constant(0), Constant(width), One, ScalarType.Int64, mask.device).unsqueeze(0);
        ValueMask = positions.le(lengths).to_type(ScalarType.Float32);
        Values = values.mul(ValueMask);
        var difference = reference.sub(policy);
        Kl = options.KlEstimator == KlEstimator.K1 ? difference.neg() : difference.exp().sub(Constant(1)).sub(difference);
        Penalties = Kl.mul(Constant(-klCoefficient));
        // The score is added after the last token if there is room.
        var end = lengths.clamp_max(Constant(width - 1));
        Rewards = Penalties.scatter_add(1, end, scores);
        if (options.WhitenRewards) Rewards = Whitened(Rewards, ValueMask, shiftsMean: false).mul(ValueMask);
        var advantages = new Tensor[width];
        var last = zeros_like(scores).squeeze(1);
        for (var t = width - 1; t >= 0; t--)
        {
            var delta = Rewards.select(1, t).sub(Values.select(1, t));
            if (t < width - 1) delta = delta.add(Values.select(1, t + 1).mul(Constant(options.Gamma)), One);
            advantages[t] = last = delta.add(last.mul(Constant(options.Gamma * options.Lambda)), One);
        }
        var all = stack(advantages, 1);
        Returns = all.add(Values, One);
        Advantages = Whitened(all, mask, shiftsMean: true).mul(mask);
    }

    /// <summary>1 for tokens up to T + 1.</summary>
    public Tensor ValueMask { get; }

    /// <summary>The values, 0 beyond T + 1.</summary>
    public Tensor Values { get; }

    /// <summary>The estimate of the divergence at each token.</summary>
    public Tensor Kl { get; }

    /// <summary>The rewards for staying near the reference.</summary>
    public Tensor Penalties { get; }

    public Tensor Rewards { get; }

    public Tensor Returns { get; }

    public Tensor Advantages { get; }

    private static Tensor Whitened(Tensor values, Tensor mask, bool shiftsMean)
    {
        var count = mask.sum();
        var mean = values.mul(mask).sum().div(count);
        var centred = values.sub(mean);
        var variance = centred.square().mul(mask).sum().div(count).mul(count.div(count.sub(Constant(1)).clamp_min(Constant(1))));
        var white = centred.mul(variance.add(Constant(1e-8), One).rsqrt());
        return shiftsMean ? white : white.add(mean, One);
    }
}
