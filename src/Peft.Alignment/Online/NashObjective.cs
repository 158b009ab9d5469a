using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Nash mirror descent (Munos et al. 2024, arXiv:2312.00886): the policy learns to win, by the reward, against a geometric mixture of itself and the reference.
/// </summary>
/// <param name="policy">The policy: a <see cref="Models.CausalLM"/>, usually with an adapter.</param>
/// <param name="rollouts">How completions are generated and scored. The mixture is sampled at <see cref="RolloutOptions.Temperature"/> from all tokens.</param>
/// <param name="options">Settings; the defaults if null.</param>
/// <param name="reference">The reference; the policy without its adapters if null.</param>
public sealed class NashObjective(ITrainable policy, RolloutOptions rollouts, NashOptions? options = null, Reference? reference = null)
    : PairwiseObjective(policy, rollouts, reference, options?.MissingEosPenalty)
{
    private readonly NashOptions settings = options ?? new();

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options) => [.. settings.Errors(), .. base.Errors(model, options)];

    private protected override IReadOnlyList<Completion> Sample(Batch prompts, int generations)
    {
        var sampling = new Sampling(Policy.Model, Rollouts, 1);
        var own = sampling.Run(prompts, NewSeed());
        var other = new MixtureSampling(Policy, Rollouts, settings.MixtureCoefficient[Epoch]).Run(own, sampling.Padding, NewSeed());
        return [.. own.Zip(other).SelectMany(pair => new[] { pair.First, pair.Second })];
    }

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        using var scope = NewDisposeScope();
        var (ownScores, otherScores) = ScoresOf(new Completions(batch));
        var count = ownScores.size(0);
        // The other completions matter through their scores only.
        var completions = new Completions(batch.Rows(0, count, count)!);
        var logProbabilities = completions.Predict(Policy, Temperature).LogProbabilities;
        var reference = ReferenceOf(completions);
        var sums = logProbabilities.sum(dim: 1);
        var wins = ownScores.sub(otherScores).sigmoid();
        var score = wins.sub(Constant(0.5)).mul(sums);
        var ratios = logProbabilities.detach().sub(reference);
        var loss = ratios.mul(logProbabilities).sum(dim: 1).mul(Constant(settings.Beta[Epoch])).sub(score).mean();
        using (no_grad())
        {
            var (kl, own) = (ratios.sum(dim: 1), sums.detach());
            metrics.Add("loss/score", score.mean(), count);
            metrics.Add("loss/kl", kl.mean(), count);
            metrics.Add("logps/chosen", own.mean(), count);
            metrics.Add("logps/rejected", reference.sum(dim: 1).mean(), count);
            metrics.Add("rewards/chosen", ownScores.mean(), count);
            metrics.Add("rewards/rejected", otherScores.mean(), count);
            metrics.Add("rewards/probabilities", wins.mean(), count);
            metrics.Add("objective/entropy", own.neg().mean(), count);
            metrics.Add("rewards/margins", kl.mean(), count);
            metrics.Add("rewards/accuracies", kl.gt(Constant(0)).to_type(ScalarType.Float32).mean(), count);
            var (ownEnds, otherEnds) = PairedBatch.Halves(Ends(batch));
            metrics.Add("val/model_contain_eos_token", ownEnds.mean(), count);
            metrics.Add("val/ref_contain_eos_token", otherEnds.mean(), count);
            metrics.Add("beta", settings.Beta[Epoch]);
            metrics.Add("mixture_coef", settings.MixtureCoefficient[Epoch]);
        }
        return loss.MoveToOuterDisposeScope();
    }
}
