using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Contrastive preference optimization (CPO, arXiv:2401.08417), SimPO (arXiv:2405.14734) and AlphaPO (arXiv:2501.03884): the policy learns to prefer the chosen of two
/// completions, without a reference.
/// </summary>
/// <remarks>Batches are those of <see cref="DpoObjective"/>: <see cref="Batch.InputIds"/> <c>[2n, sequence]</c>, the chosen texts first, and <c>completion_mask</c> of the same shape.</remarks>
/// <param name="policy">The policy: a <see cref="CausalLM"/>, usually with an adapter.</param>
/// <param name="options">Settings; the defaults if null.</param>
public sealed class CpoObjective(ITrainable policy, CpoOptions? options = null) : Objective
{
    private readonly CpoOptions settings = options ?? new();
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
        return policy.RowsAreIndependent ? PairedBatch.Divide(batch, parts, counted: ChosenTokens) : [batch];
    }

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(metrics);
        using var scope = NewDisposeScope();
        var pairs = Compute(batch);
        var loss = pairs.Losses.mean();
        if (settings.CpoAlpha != 0) loss = loss.add(pairs.CrossEntropy!.mul(Constant(settings.CpoAlpha)), One);
        using (no_grad())
        {
            metrics.AddRewards((pairs.ChosenRewards, pairs.RejectedRewards), (pairs.ChosenMeasures.detach(), pairs.RejectedMeasures.detach()));
            metrics.AddMeanLogits(pairs.MeanLogits);
            if (pairs.CrossEntropy is null) metrics.Add("nll_loss", 0);
            else metrics.AddTokenMean("nll_loss", pairs.ChosenLogProbabilities.neg(), pairs.ChosenMask);
        }
        return loss.MoveToOuterDisposeScope();
    }

    /// <summary>The losses of the pairs of a batch, <c>[pairs]</c> each, and what they come from. Measures are sums or means per token of log-probabilities.</summary>
    internal Pairs Compute(Batch batch)
    {
        PairedBatch.Check(batch);
        var predictions = policy.Predict(batch, Policy.CompletionLabels(batch), TokenStatistics.MeanLogitOfAllPositions);
        var sums = predictions.LogProbabilities.sum(dim: 1);
        var (chosen, rejected) = PairedBatch.Halves(settings.PerToken ? sums.div(predictions.Mask.sum(dim: 1)) : sums);
        var (first, mask) = (PairedBatch.Halves(predictions.LogProbabilities).Chosen, PairedBatch.Halves(predictions.Mask).Chosen);
        var (chosenScores, rejectedScores) = (Score(chosen), Score(rejected));
        return new(chosen, rejected, chosenScores.detach().mul(Constant(settings.Beta)), rejectedScores.detach().mul(Constant(settings.Beta)), Losses(chosenScores.sub(rejectedScores)),
            settings.CpoAlpha == 0 ? null : PairedBatch.MeanOverTokens(batch, first, mask).neg(), first.detach(), mask, predictions.MeanLogitOfAllPositions!);
    }

    internal sealed record Pairs(Tensor ChosenMeasures, Tensor RejectedMeasures, Tensor ChosenRewards, Tensor RejectedRewards, Tensor Losses, Tensor? CrossEntropy,
        Tensor ChosenLogProbabilities, Tensor ChosenMask, Tensor MeanLogits);

    private static Tensor ChosenTokens(Batch batch) => PairedBatch.Halves(batch.Extra["completion_mask"]).Chosen;

    // (1 − p^(−α))/α, from log p so that small probabilities do not underflow.
    private Tensor Score(Tensor measure)
        => settings.Alpha == 0 ? measure : measure.mul(Constant(-settings.Alpha)).exp().neg().add(Constant(1), One).div(Constant(settings.Alpha));

    private Tensor Losses(Tensor delta) => settings.Loss switch
    {
        CpoLoss.Hinge => ContrastiveLoss.Hinge(delta, settings.Beta),
        CpoLoss.Ipo => ContrastiveLoss.Ipo(delta, settings.Beta),
        CpoLoss.SimPo => ContrastiveLoss.Sigmoid(delta.sub(Constant(settings.SimPoGamma / settings.Beta)), settings.Beta, settings.LabelSmoothing),
        _ => ContrastiveLoss.Sigmoid(delta, settings.Beta, settings.LabelSmoothing),
    };
}
