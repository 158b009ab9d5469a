using Peft.Models;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Peft;

/// <summary>
/// Odds ratio preference optimization (ORPO, arXiv:2403.07691): the cross-entropy of the chosen texts, prompts included, minus β · log σ of the log odds ratio of chosen and
/// rejected completions. It needs neither a reference nor supervised fine-tuning before.
/// </summary>
/// <remarks>Batches are those of <see cref="DpoObjective"/>: <see cref="Batch.InputIds"/> <c>[2n, sequence]</c>, the chosen texts first, and <c>completion_mask</c> of the same shape.</remarks>
/// <param name="policy">The policy: a <see cref="CausalLM"/>, usually with an adapter.</param>
/// <param name="options">Settings; the defaults if null.</param>
public sealed class OrpoObjective(ITrainable policy, OrpoOptions? options = null) : Objective
{
    private readonly OrpoOptions settings = options ?? new();
    private readonly Policy policy = new(policy, null);

    /// <inheritdoc/>
    protected internal override bool UsesDropout => false;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options) => [.. settings.Errors(), .. policy.Errors(model)];

    /// <inheritdoc/>
    protected internal override IReadOnlyList<Batch> Divide(Batch batch, int parts)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return policy.RowsAreIndependent ? PairedBatch.Divide(batch, parts, counted: each => PairedBatch.Halves(Tokens(each)).Chosen) : [batch];
    }

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(metrics);
        using var scope = NewDisposeScope();
        var pairs = Compute(batch);
        using (no_grad())
        {
            var rows = (double)pairs.LogOdds.size(0);
            var (chosen, rejected) = (pairs.ChosenMeans.detach(), pairs.RejectedMeans.detach());
            metrics.AddRewards((chosen.mul(Constant(settings.Beta)), rejected.mul(Constant(settings.Beta))), (chosen, rejected));
            metrics.AddMeanLogits(pairs.MeanLogits);
            metrics.AddTokenMean("nll_loss", pairs.ChosenLogProbabilities.neg(), pairs.ChosenMask);
            metrics.Add("log_odds_ratio", pairs.LogSigmoid.mean(), rows);
            metrics.Add("log_odds_chosen", pairs.LogOdds.mean(), rows);
        }
        return pairs.CrossEntropy.sub(pairs.LogSigmoid.mean().mul(Constant(settings.Beta))).MoveToOuterDisposeScope();
    }

    /// <summary>The log odds ratios of the pairs of a batch, <c>[pairs]</c> each, and what they come from. Means are log-probabilities per token of completions.</summary>
    internal Pairs Compute(Batch batch)
    {
        PairedBatch.Check(batch);
        var length = batch.InputIds.size(1);
        var completions = batch.Extra["completion_mask"].ne(Constant(0));
        // Rejected prompts need no predictions.
        var wanted = cat([PairedBatch.Halves(Tokens(batch)).Chosen, PairedBatch.Halves(completions).Rejected]);
        var predictions = policy.Predict(batch, batch.InputIds.masked_fill(wanted.logical_not(), Constant(Batch.IgnoredLabel)), TokenStatistics.MeanLogitOfAllPositions);
        var answered = completions.narrow(1, 1, length - 1).to_type(ScalarType.Float32);
        var (chosen, rejected) = PairedBatch.Halves(predictions.LogProbabilities.mul(answered).sum(dim: 1).div(answered.sum(dim: 1)));
        var odds = chosen.sub(rejected).sub(LogOfRest(chosen).sub(LogOfRest(rejected)));
        var (first, mask) = (PairedBatch.Halves(predictions.LogProbabilities).Chosen, PairedBatch.Halves(predictions.Mask).Chosen);
        return new(chosen, rejected, odds, functional.logsigmoid(odds), PairedBatch.MeanOverTokens(batch, first, mask).neg(), first.detach(), mask,
            predictions.MeanLogitOfAllPositions!.narrow(1, 0, length - 1));   // TRL leaves out the last position here, but not in CPO
    }

    internal sealed record Pairs(Tensor ChosenMeans, Tensor RejectedMeans, Tensor LogOdds, Tensor LogSigmoid, Tensor CrossEntropy, Tensor ChosenLogProbabilities, Tensor ChosenMask, Tensor MeanLogits);

    private static Tensor Tokens(Batch batch) => batch.AttentionMask is { } mask ? mask.ne(Constant(0)) : ones_like(batch.InputIds, ScalarType.Bool);

    // log(1 − e^x), by the expression that is exact on each side of −log 2.
    private static Tensor LogOfRest(Tensor x) => where(x.lt(Constant(-0.6931471805599453)), x.exp().neg().log1p(), x.expm1().neg().log());
}
