using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Exploratory preference optimization (Xie et al. 2024, arXiv:2405.21046): online DPO between a completion of the policy and one of the reference, with a term that lowers the probability of the
/// latter.
/// </summary>
/// <param name="policy">The policy: a <see cref="Models.CausalLM"/>, usually with an adapter.</param>
/// <param name="rollouts">How completions are generated and scored.</param>
/// <param name="options">Settings; the defaults if null.</param>
/// <param name="reference">The reference; the policy without its adapters if null.</param>
public sealed class XpoObjective(ITrainable policy, RolloutOptions rollouts, XpoOptions? options = null, Reference? reference = null)
    : PairwiseObjective(policy, rollouts, reference, options?.MissingEosPenalty)
{
    private readonly XpoOptions settings = options ?? new();

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options) => [.. settings.Errors(), .. base.Errors(model, options)];

    private protected override IReadOnlyList<Completion> Sample(Batch prompts, int generations)
    {
        var own = new Sampling(Policy.Model, Rollouts, 1).Run(prompts, NewSeed());
        var other = Policy.ByReference(model => new Sampling(model, Rollouts, 1).Run(prompts, NewSeed()));
        return [.. own.Zip(other).SelectMany(pair => new[] { pair.First, pair.Second })];
    }

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        using var scope = NewDisposeScope();
        var beta = settings.Beta[Epoch];
        var completions = new Completions(batch);
        var (own, other) = ScoresOf(completions);
        var pairs = new PairedRatios(completions.Predict(Policy, Temperature).LogProbabilities, ReferenceOf(completions), own.ge(other));
        var preference = PairLoss(settings.Loss, pairs.ChosenRatios.sub(pairs.RejectedRatios), beta);
        var exploration = PairedBatch.Halves(pairs.Policy).Rejected.mul(Constant(settings.Alpha[Epoch]));
        pairs.Report(metrics, beta);
        var count = (double)own.size(0);
        metrics.Add("loss/dpo", preference.mean(), count);
        metrics.Add("loss/xpo", exploration.mean(), count);
        metrics.Add("objective/model_scores", own.mean(), count);
        metrics.Add("objective/ref_scores", other.mean(), count);
        metrics.Add("objective/scores_margin", own.sub(other).mean(), count);
        // As in TRL, the sum of policy and reference.
        metrics.Add("logps/chosen", pairs.ChosenPolicy.detach().add(pairs.ChosenReference, One).mean(), count);
        metrics.Add("logps/rejected", pairs.RejectedPolicy.detach().add(pairs.RejectedReference, One).mean(), count);
        var (ownEnds, otherEnds) = PairedBatch.Halves(Ends(batch));
        metrics.Add("val/model_contain_eos_token", ownEnds.mean(), count);
        metrics.Add("val/ref_contain_eos_token", otherEnds.mean(), count);
        metrics.Add("alpha", settings.Alpha[Epoch]);
        return preference.add(exploration, One).mean().MoveToOuterDisposeScope();
    }
}
