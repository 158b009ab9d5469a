using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Online direct preference optimization (Guo et al. 2024, arXiv:2402.04792): of two completions of the policy, the one with the better reward is chosen (of equals the first).
/// </summary>
/// <param name="policy">The policy: a <see cref="Models.CausalLM"/>, usually with an adapter.</param>
/// <param name="rollouts">How completions are generated and scored.</param>
/// <param name="options">Settings; the defaults if null.</param>
/// <param name="reference">The reference; the policy without its adapters if null.</param>
public sealed class OnlineDpoObjective(ITrainable policy, RolloutOptions rollouts, OnlineDpoOptions? options = null, Reference? reference = null)
    : PairwiseObjective(policy, rollouts, reference, options?.MissingEosPenalty)
{
    private readonly OnlineDpoOptions settings = options ?? new();

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options) => [.. settings.Errors(), .. base.Errors(model, options)];

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        using var scope = NewDisposeScope();
        var beta = settings.Beta[Epoch];
        var completions = new Completions(batch);
        var (first, second) = ScoresOf(completions);
        var pairs = new PairedRatios(completions.Predict(Policy, Temperature).LogProbabilities, ReferenceOf(completions), first.ge(second));
        var loss = PairLoss(settings.Loss, pairs.ChosenRatios.sub(pairs.RejectedRatios), beta).mean();
        pairs.Report(metrics, beta);
        var count = (double)first.size(0);
        metrics.Add("objective/scores", first.add(second, One).mean().div(Constant(2)), count);
        metrics.Add("objective/scores_margin", first.sub(second).abs().mean(), count);
        metrics.Add("val/contain_eos_token", Ends(batch).mean(), count);
        metrics.Add("logps/chosen", pairs.ChosenPolicy.mean(), count);
        metrics.Add("logps/rejected", pairs.RejectedPolicy.mean(), count);
        return loss.MoveToOuterDisposeScope();
    }
}
