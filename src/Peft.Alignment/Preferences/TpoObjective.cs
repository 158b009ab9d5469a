using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Triple preference optimization (TPO, arXiv:2405.16681): the policy learns to prefer the chosen of two completions, and to write a third, gold one. It needs no reference
/// model: TRL's name for the gold response is <c>reference</c>.
/// </summary>
/// <remarks>
/// Batches hold <see cref="Batch.InputIds"/> <c>[3n, sequence]</c>, all chosen texts, then the rejected, then the gold ones, and <c>completion_mask</c> of the same shape;
/// <c>[2n, sequence]</c> if <see cref="TpoOptions.TpoAlpha"/> is 0.
/// </remarks>
/// <param name="policy">The policy: a <see cref="CausalLM"/>, usually with an adapter.</param>
/// <param name="options">Settings; the defaults if null.</param>
public sealed class TpoObjective(ITrainable policy, TpoOptions? options = null) : Objective
{
    private readonly TpoOptions settings = options ?? new();
    private readonly Policy policy = new(policy, null);

    /// <inheritdoc/>
    protected internal override bool UsesDropout => false;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options) => [.. settings.Errors(), .. policy.Errors(model)];

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Warnings(ITrainable model, TrainingOptions options, TrainingDataset data) => settings.Warnings();

    /// <inheritdoc/>
    protected internal override IReadOnlyList<Batch> Divide(Batch batch, int parts)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return policy.RowsAreIndependent ? PairedBatch.Divide(batch, parts, settings.Texts, settings.TpoAlpha == 0 ? null : each => Rows(each.Extra["completion_mask"], 2)) : [batch];
    }

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(metrics);
        using var scope = NewDisposeScope();
        var pairs = Compute(batch);
        var loss = pairs.Losses.mean();
        if (pairs.CrossEntropy is { } gold) loss = loss.add(gold.mul(Constant(settings.TpoAlpha)), One);
        using (no_grad())
        {
            var (chosen, rejected) = (pairs.ChosenMeasures.detach(), pairs.RejectedMeasures.detach());
            var predictions = pairs.Predictions;
            metrics.AddRewards((chosen.mul(Constant(settings.Beta)), rejected.mul(Constant(settings.Beta))), (chosen, rejected));
            metrics.AddTokenMean("logits/chosen", Rows(predictions.MeanLogit!, 0), Rows(predictions.Mask, 0));
            metrics.AddTokenMean("logits/rejected", Rows(predictions.MeanLogit!, 1), Rows(predictions.Mask, 1));
            metrics.AddTokenMean("entropy", predictions.Entropy!, predictions.Mask);
            metrics.AddTokenMean("mean_token_accuracy", Rows(predictions.IsGreedy!, 0), Rows(predictions.Mask, 0));
        }
        return loss.MoveToOuterDisposeScope();
    }

    /// <summary>The losses of the pairs of a batch, <c>[pairs]</c> each, and what they come from. Measures are sums or means per token of log-probabilities.</summary>
    internal Pairs Compute(Batch batch)
    {
        PairedBatch.Check(batch, settings.Texts);
        var predictions = policy.Predict(batch, Policy.CompletionLabels(batch), TokenStatistics.Entropy | TokenStatistics.MeanLogit | TokenStatistics.IsGreedy);
        var sums = predictions.LogProbabilities.sum(dim: 1);
        var measures = settings.PerToken ? sums.div(predictions.Mask.sum(dim: 1)) : sums;
        var (chosen, rejected) = (Rows(measures, 0), Rows(measures, 1));
        var gold = settings.TpoAlpha == 0 ? null : PairedBatch.MeanOverTokens(batch, Rows(predictions.LogProbabilities, 2), Rows(predictions.Mask, 2)).neg();
        return new(chosen, rejected, Losses(chosen.sub(rejected)), gold, predictions);
    }

    internal sealed record Pairs(Tensor ChosenMeasures, Tensor RejectedMeasures, Tensor Losses, Tensor? CrossEntropy, TokenPredictions Predictions);

    private Tensor Rows(Tensor all, int text) => PairedBatch.Rows(all, text, settings.Texts);

    private Tensor Losses(Tensor delta) => settings.Loss switch
    {
        TpoLoss.Hinge => ContrastiveLoss.Hinge(delta, settings.Beta),
        TpoLoss.Ipo => ContrastiveLoss.Ipo(delta, settings.Beta),
        TpoLoss.TpoL => ContrastiveLoss.Sigmoid(delta.sub(Constant(settings.TpoLGamma / settings.Beta)), settings.Beta, settings.LabelSmoothing),
        _ => ContrastiveLoss.Sigmoid(delta, settings.Beta, settings.LabelSmoothing),
    };
}
