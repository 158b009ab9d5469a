using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Direct preference optimization (Rafailov et al. 2023, arXiv:2305.18290) and related methods: the policy learns to prefer the chosen of two completions, measured against a
/// reference. Chosen and rejected run in one forward pass.
/// </summary>
/// <remarks>
/// Batches hold <see cref="Batch.InputIds"/> <c>[2n, sequence]</c>, the chosen texts first, and <c>completion_mask</c> of the same shape; optionally <c>ref_chosen_logps</c> and
/// <c>ref_rejected_logps</c> <c>[n]</c>, which replace the reference. At the first step, policy and reference are equal: the loss is log 2 and all rewards are 0, but the gradient is not.
/// </remarks>
/// <param name="policy">The policy: a <see cref="CausalLM"/>, usually with an adapter.</param>
/// <param name="options">Settings; the defaults if null.</param>
/// <param name="reference">The reference; the policy without its adapters if null.</param>
public sealed class DpoObjective(ITrainable policy, DpoOptions? options = null, Reference? reference = null) : ReferencedObjective(policy, reference), IReferenceObjective
{
    private const string ChosenReference = "ref_chosen_logps", RejectedReference = "ref_rejected_logps";

    // Relative rounding of a sum of log-probabilities.
    private const double Rounding = 1e-6;

    private const TokenStatistics Wanted = TokenStatistics.Entropy | TokenStatistics.MeanLogit | TokenStatistics.IsGreedy;

    private readonly DpoOptions settings = options ?? new();

    /// <inheritdoc/>
    protected internal override bool UsesDropout => false;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options) => [.. settings.Errors(), .. Policy.Errors(model)];

    /// <inheritdoc/>
    protected internal override IReadOnlyList<Batch> Divide(Batch batch, int parts)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return settings.Losses.Any(loss => loss is DpoLoss.Aot or DpoLoss.AotUnpaired) || !Policy.RowsAreIndependent
            ? [batch]
            : PairedBatch.Divide(batch, parts, counted: each => PairedBatch.Halves(each.Extra["completion_mask"]).Chosen);
    }

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(metrics);
        using var scope = NewDisposeScope();
        var (pairs, predictions) = Compute(batch);
        var losses = settings.Losses.Select((loss, i) => (Loss: pairs.Of(loss, settings), Weight: settings.LossWeights?[i] ?? 1)).ToList();
        var sum = losses.Select(each => each.Loss.mul(Constant(each.Weight))).Aggregate((a, b) => a.add(b, One));
        if (settings.WeightByPolicy)
        {
            var (chosen, rejected) = PolicyWeights(predictions);
            sum = sum.mul(chosen.mul(rejected));
        }
        Report(metrics, pairs, predictions);
        return sum.mean().MoveToOuterDisposeScope();
    }

    /// <summary>The pairs of a batch as the losses see them, and the policy's predictions.</summary>
    internal (PreferencePairs Pairs, TokenPredictions Predictions) Compute(Batch batch)
    {
        PairedBatch.Check(batch);
        var predictions = Policy.Predict(batch, Policy.CompletionLabels(batch), Wanted | (settings.WeightByPolicy ? TokenStatistics.LogSquaredSum : TokenStatistics.None));
        return (new(batch, predictions, ReferenceSums(batch), settings), predictions);
    }

    // Sums under the reference, [2 · pairs].
    private Tensor ReferenceSums(Batch batch)
    {
        var pairs = PairedBatch.Count(batch);
        if (PairedBatch.Column(batch, ChosenReference, pairs) is { } chosen && PairedBatch.Column(batch, RejectedReference, pairs) is { } rejected) return cat([chosen, rejected]);
        using var asked = Policy.PredictByReference(batch, Policy.CompletionLabels(batch));
        return PreferencePairs.Sums(asked.LogProbabilities, asked.Mask, settings.LengthDesensitization);
    }

    /// <summary>exp of the mean of log p − log Σ p² over the tokens of each text, <c>[pairs]</c> each.</summary>
    internal static (Tensor Chosen, Tensor Rejected) PolicyWeights(TokenPredictions predictions)
    {
        var each = predictions.LogProbabilities.detach().sub(predictions.LogSquaredSum!).mul(predictions.Mask).sum(dim: 1).div(predictions.Mask.sum(dim: 1));
        return PairedBatch.Halves(each.exp());
    }

    private void Report(TrainingMetrics metrics, PreferencePairs pairs, TokenPredictions predictions)
    {
        using var _ = no_grad();
        var beta = Constant(settings.Beta);
        var sums = (Chosen: pairs.ChosenSums.detach(), Rejected: pairs.RejectedSums.detach());
        // Rewards are differences of sums in float32. Where policy and reference are equal, what is left is rounding, not a preference.
        var rounding = sums.Chosen.abs().add(sums.Rejected.abs(), One).mul(Constant(settings.Beta * Rounding));
        metrics.AddRewards((pairs.ChosenRatios.detach().mul(beta), pairs.RejectedRatios.detach().mul(beta)), sums, rounding);
        var (chosenMask, rejectedMask) = PairedBatch.Halves(predictions.Mask);
        var (chosenLogits, rejectedLogits) = PairedBatch.Halves(predictions.MeanLogit!);
        metrics.AddTokenMean("logits/chosen", chosenLogits, chosenMask);
        metrics.AddTokenMean("logits/rejected", rejectedLogits, rejectedMask);
        metrics.AddTokenMean("entropy", predictions.Entropy!, predictions.Mask);
        metrics.AddTokenMean("mean_token_accuracy", PairedBatch.Halves(predictions.IsGreedy!).Chosen, chosenMask);
    }

    Policy IReferenceObjective.Policy => Policy;

    string IReferenceObjective.ReferenceSettings => $"dpo {settings.LengthDesensitization?.ToString("R", System.Globalization.CultureInfo.InvariantCulture)}";

    IReadOnlyDictionary<string, Tensor> IReferenceObjective.ReferenceOf(Batch batch)
    {
        PairedBatch.Check(batch);
        var (chosen, rejected) = PairedBatch.Halves(ReferenceSums(batch));
        return new Dictionary<string, Tensor> { [ChosenReference] = chosen, [RejectedReference] = rejected };
    }
}
