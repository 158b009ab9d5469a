using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Direct preference optimization (Rafailov et al. 2023, arXiv:2305.18290) and its kin: the policy learns to prefer the chosen of two completions, measured against a
/// reference. Chosen and rejected run in one forward pass.
/// </summary>
/// <remarks>
/// Batches hold <see cref="Batch.InputIds"/> <c>[2n, sequence]</c>, the chosen texts first, and <c>completion_mask</c> of the same shape; optionally <c>ref_chosen_logps</c> and
/// <c>ref_rejected_logps</c> <c>[n]</c>, which replace the reference. At the first step, policy and reference are equal: the loss is log 2 and all rewards are 0, but the gradient is not.
/// </remarks>
/// <param name="policy">The policy: a <see cref="CausalLM"/>, usually with an adapter.</param>
/// <param name="options">Settings; the defaults if null.</param>
/// <param name="reference">The reference; the policy without its adapters if null.</param>
public sealed class DpoObjective(ITrainable policy, DpoOptions? options = null, Reference? reference = null) : Objective
{
    private const TokenStatistics Wanted = TokenStatistics.Entropy | TokenStatistics.MeanLogit | TokenStatistics.IsGreedy;

    private readonly DpoOptions settings = options ?? new();
    private readonly Policy policy = new(policy, reference ?? Reference.Base);

    /// <inheritdoc/>
    protected internal override bool UsesDropout => false;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options) => [.. settings.Errors(), .. policy.Errors(model)];

    /// <inheritdoc/>
    protected internal override IReadOnlyList<Batch> Divide(Batch batch, int parts)
        => settings.Losses.Any(loss => loss is DpoLoss.Aot or DpoLoss.AotUnpaired or DpoLoss.Sft) || !policy.RowsAreIndependent ? [batch] : PairedBatch.Divide(batch, parts);

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(metrics);
        using var scope = NewDisposeScope();
        var predictions = policy.Predict(batch, Policy.CompletionLabels(batch), Wanted | (settings.WeightByPolicy ? TokenStatistics.LogSquaredSum : TokenStatistics.None));
        var pairs = PairsOf(batch, predictions);
        var losses = settings.Losses.Select((loss, i) => (Loss: pairs.Of(loss, settings), Weight: settings.LossWeights?[i] ?? 1)).ToList();
        var sum = losses.Select(each => each.Loss.mul(Constant(each.Weight))).Aggregate((a, b) => a.add(b, One));
        if (settings.WeightByPolicy) sum = sum.mul(PolicyWeights(predictions));
        Report(metrics, pairs, predictions);
        return sum.mean().MoveToOuterDisposeScope();
    }

    private PreferencePairs PairsOf(Batch batch, TokenPredictions predictions)
    {
        if (batch.Extra.TryGetValue("ref_chosen_logps", out var chosen) && batch.Extra.TryGetValue("ref_rejected_logps", out var rejected))
            return new(predictions, cat([chosen, rejected]), settings);
        using var asked = policy.PredictByReference(batch, Policy.CompletionLabels(batch));
        return new(predictions, PreferencePairs.Sums(asked.LogProbabilities, predictions.Mask, settings.LengthDesensitization), settings);
    }

    // exp of the mean of log p − log Σ p² over the tokens of each text, for both texts of a pair.
    private static Tensor PolicyWeights(TokenPredictions predictions)
    {
        var each = predictions.LogProbabilities.detach().sub(predictions.LogSquaredSum!).mul(predictions.Mask).sum(dim: 1).div(predictions.Mask.sum(dim: 1));
        var (chosen, rejected) = PairedBatch.Halves(each.exp());
        return chosen.mul(rejected);
    }

    private void Report(TrainingMetrics metrics, PreferencePairs pairs, TokenPredictions predictions)
    {
        using var _ = no_grad();
        var (chosen, rejected) = (pairs.ChosenRatios.detach().mul(Constant(settings.Beta)), pairs.RejectedRatios.detach().mul(Constant(settings.Beta)));
        var rows = (double)chosen.shape[0];
        metrics.Add("rewards/chosen", chosen.mean(), rows);
        metrics.Add("rewards/rejected", rejected.mean(), rows);
        // Rewards that differ only by rounding are equal: policy and reference may use different kernels.
        metrics.Add("rewards/accuracies", chosen.sub(rejected).gt(Constant(1e-5)).to_type(ScalarType.Float32).mean(), rows);
        metrics.Add("rewards/margins", chosen.sub(rejected).mean(), rows);
        metrics.Add("logps/chosen", pairs.ChosenSums.mean(), rows);
        metrics.Add("logps/rejected", pairs.RejectedSums.mean(), rows);
        var (chosenMask, rejectedMask) = PairedBatch.Halves(predictions.Mask);
        var (chosenLogits, rejectedLogits) = PairedBatch.Halves(predictions.MeanLogit!);
        metrics.Add("logits/chosen", Policy.MeanOverTokens(chosenLogits, chosenMask), rows);
        metrics.Add("logits/rejected", Policy.MeanOverTokens(rejectedLogits, rejectedMask), rows);
        metrics.Add("entropy", Policy.MeanOverTokens(predictions.Entropy!, predictions.Mask), rows);
        metrics.Add("mean_token_accuracy", Policy.MeanOverTokens(PairedBatch.Halves(predictions.IsGreedy!).Chosen, chosenMask), rows);
    }
}
