using static TorchSharp.torch;

namespace Peft;

/// <summary>The terms of GRPO's losses. Tensors are <c>[rows, width]</c>, or <c>[rows, 1]</c> where a completion has one value.</summary>
internal sealed class GrpoTerms
{
    private readonly Completions completions;
    private readonly GrpoOptions options;
    private readonly Tensor advantages, logProbabilities, entropies, logRatios;
    private readonly Tensor? entropyMask;

    /// <param name="completions">The completions.</param>
    /// <param name="predicted">The policy's predictions of them.</param>
    /// <param name="options">Settings.</param>
    public GrpoTerms(Completions completions, (Tensor LogProbabilities, Tensor Entropies) predicted, GrpoOptions options)
    {
        (this.completions, this.options) = (completions, options);
        (logProbabilities, entropies) = predicted;
        advantages = completions.Required("advantages");
        Old = completions.PerToken("old_per_token_logps") ?? logProbabilities.detach();
        logRatios = logProbabilities.sub(Old);
        entropyMask = options.TopEntropyQuantile < 1 ? HighEntropy() : null;
        Importance = (options.ImportanceLevel == ImportanceLevel.Token ? logRatios : completions.MeanOfRows(logRatios)).exp();
        Bounded = options.Delta is { } delta ? Importance.clamp_max(Constant(delta)) : Importance;
    }

    /// <summary>Log-probabilities at generation.</summary>
    public Tensor Old { get; }

    /// <summary>The ratios ρ.</summary>
    public Tensor Importance { get; }

    /// <summary>The ratios up to <see cref="GrpoOptions.Delta"/>.</summary>
    public Tensor Bounded { get; }

    /// <summary>φ of VESPO; null with other losses.</summary>
    public Tensor? Phi { get; private set; }

    /// <summary>1 for the tokens of high entropy that the policy is trained on.</summary>
    public Tensor Trained => entropyMask is null ? completions.Mask : completions.Mask.mul(entropyMask);

    /// <summary>The ratios of policy and sampler within their bounds; null if the policy sampled itself.</summary>
    public Tensor? SamplerRatios()
    {
        if (completions.PerToken("sampling_per_token_logps") is not { } sampled) return null;
        var differences = Old.detach().sub(sampled).mul(completions.Mask);
        if (options.SamplerCorrection is SamplerCorrection.SequenceMask or SamplerCorrection.SequenceTruncate) differences = differences.sum(dim: 1, keepdim: true);
        var ratios = differences.exp();
        var (least, most) = (options.SamplerRatioMin ?? double.NegativeInfinity, options.SamplerRatioMax ?? double.PositiveInfinity);
        return options.SamplerCorrection is SamplerCorrection.SequenceTruncate or SamplerCorrection.TokenTruncate
            ? ratios.clamp(Constant(least), Constant(most))
            : ratios.masked_fill(ratios.lt(Constant(least)).logical_or(ratios.gt(Constant(most))), Constant(0));
    }

    /// <summary>The divergence from the reference: e^d − d − 1 with d = reference − policy.</summary>
    public Tensor Kl(Tensor reference)
    {
        var difference = reference.sub(logProbabilities);
        var kl = difference.exp().sub(difference).sub(Constant(1));
        return options.BiasCorrectKl ? kl.mul(Importance) : kl;
    }

    /// <summary>The loss of each token, or of each completion.</summary>
    /// <param name="samplerRatios">Ratios of policy and sampler.</param>
    public Tensor PerToken(Tensor? samplerRatios)
    {
        var loss = options.Loss switch
        {
            GrpoLoss.Cispo => Importance.clamp_max(Constant(options.High)).detach().mul(advantages).mul(logProbabilities).neg(),
            GrpoLoss.Sapo => Soft(),
            GrpoLoss.Vespo => (Phi = VespoWeights(samplerRatios)).mul(advantages).mul(logProbabilities).neg(),
            GrpoLoss.Gmpo => GeometricMean().mul(advantages).neg(),
            _ => Bounded.mul(advantages).minimum(Importance.clamp(Constant(1 - options.Epsilon), Constant(1 + options.High)).mul(advantages)).neg(),
        };
        if (options.OffPolicyThreshold is { } threshold) loss = loss.mul(OnPolicy(threshold));
        if (entropyMask is not null && options.Loss != GrpoLoss.Gmpo) loss = loss.mul(entropyMask);
        return samplerRatios is null || options.Loss == GrpoLoss.Vespo ? loss : loss.mul(samplerRatios);
    }

    /// <summary>1 where a ratio was clipped from below, and from above.</summary>
    public (Tensor Low, Tensor High) Clipped()
    {
        var (negative, positive) = (advantages.lt(Constant(0)), advantages.gt(Constant(0)));
        var (low, high) = options.Loss == GrpoLoss.Gmpo
            ? (logRatios.lt(Constant(-options.Epsilon)), logRatios.gt(Constant(options.High)))
            : (Bounded.lt(Constant(1 - options.Epsilon)), Bounded.gt(Constant(options.Loss == GrpoLoss.Cispo ? options.High : 1 + options.High)));
        return (low.logical_and(negative).to_type(ScalarType.Float32), high.logical_and(positive).to_type(ScalarType.Float32));
    }

    private Tensor HighEntropy()
    {
        using var _ = no_grad();
        var counted = entropies.detach().masked_select(completions.Mask.ne(Constant(0)));
        if (counted.numel() == 0) return zeros_like(completions.Mask);
        using var quantile = tensor(1 - options.TopEntropyQuantile, ScalarType.Float32, counted.device);
        return entropies.detach().ge(counted.quantile(quantile)).to_type(ScalarType.Float32).mul(completions.Mask);
    }

    private Tensor Soft()
    {
        var temperature = Choose(advantages.gt(Constant(0)), options.SapoTemperaturePositive, options.SapoTemperatureNegative);
        return Importance.sub(Constant(1)).mul(temperature).sigmoid().mul(Constant(4)).div(temperature).mul(advantages).neg();
    }

    // φ(W) = W^k·e^{λ(1−W)}; the bounds of the logarithms are TRL's.
    private Tensor VespoWeights(Tensor? samplerRatios)
    {
        using var _ = no_grad();
        var least = Math.Log(1e-8);
        var log = logRatios.detach().clamp(Constant(-20), Constant(20)).mul(completions.Mask).sum(dim: 1, keepdim: true);
        if (samplerRatios is not null) log = log.add(samplerRatios.log().clamp(Constant(least), Constant(20)).sum(dim: 1, keepdim: true), One);
        log = log.clamp(Constant(least), Constant(20));
        var good = advantages.ge(Constant(0));
        var k = Choose(good, options.VespoPositive.K, options.VespoNegative.K);
        var lambda = Choose(good, Math.Max(options.VespoPositive.Lambda, 1e-4), Math.Max(options.VespoNegative.Lambda, 1e-4));
        return lambda.add(k.mul(log), One).sub(lambda.mul(log.exp())).exp().nan_to_num(0, 0, 0);
    }

    private Tensor GeometricMean()
    {
        var clamped = logRatios.clamp(Constant(-options.Epsilon), Constant(options.High));
        var clipped = logRatios.minimum(clamped).where(advantages.gt(Constant(0)), logRatios.maximum(clamped));
        return clipped.mul(Trained).sum(dim: 1, keepdim: true).div(Trained.sum(dim: 1, keepdim: true).clamp_min(Constant(1))).exp();
    }

    private Tensor OnPolicy(double threshold)
    {
        using var _ = no_grad();
        var drift = completions.MeanOfRows((completions.PerToken("sampling_per_token_logps") ?? Old).sub(logProbabilities.detach()));
        return advantages.ge(Constant(0)).logical_or(drift.le(Constant(threshold))).to_type(ScalarType.Float32);
    }

    private static Tensor Choose(Tensor condition, double yes, double no) => full_like(condition, Constant(yes), ScalarType.Float32).where(condition, full_like(condition, Constant(no), ScalarType.Float32));
}
