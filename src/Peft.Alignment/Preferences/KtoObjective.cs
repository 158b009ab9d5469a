using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Kahneman-Tversky optimization (KTO, arXiv:2402.01306): the policy learns from completions that are desirable or not, without pairs, measured against a reference.
/// </summary>
/// <remarks>
/// Batches hold <see cref="Batch.InputIds"/> <c>[n, sequence]</c>, <c>completion_mask</c> of the same shape and <c>label</c> <c>[n]</c>, 1 for desirable rows. The KTO loss compares with
/// z₀, an estimate of the divergence from the reference, never below 0, on mismatched pairs of prompt and completion: <c>KL_input_ids</c>, <c>KL_completion_mask</c> and <c>KL_attention_mask</c>
/// <c>[n, other sequence]</c>. Optionally <c>ref_logps</c> and <c>ref_KL_logps</c> <c>[n]</c> replace the reference.
/// </remarks>
/// <param name="policy">The policy: a <see cref="CausalLM"/>, usually with an adapter.</param>
/// <param name="options">Settings; the defaults if null.</param>
/// <param name="reference">The reference; the policy without its adapters if null.</param>
public sealed class KtoObjective(ITrainable policy, KtoOptions? options = null, Reference? reference = null) : ReferencedObjective(policy, reference), IReferenceObjective
{
    private const string Divergence = "kl", MismatchedReference = "ref_KL_logps", MismatchedPrefix = "KL_";

    private readonly KtoOptions settings = options ?? new();

    /// <inheritdoc/>
    protected internal override bool UsesDropout => false;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options) => [.. settings.Errors(), .. Policy.Errors(model)];

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Warnings(ITrainable model, TrainingOptions options, TrainingDataset data)
    {
        ArgumentNullException.ThrowIfNull(options);
        foreach (var warning in base.Warnings(model, options, data)) yield return warning;
        if (settings.Loss == KtoLoss.Kto && options.BatchSize == 1)
            yield return "BatchSize is 1: KTO compares rewards with the divergence of the batch, which is noise for a single row. Use batches of at least 2 rows, better 8 and more; GradientAccumulation does not help.";
        if (data is UnpairedDataset { DesirableRows: > 0 and var wanted, UndesirableRows: > 0 and var unwanted } && settings.Ratio(wanted, unwanted) is < 1 or > 4 / 3.0)
            yield return $"There are {wanted} desirable and {unwanted} undesirable rows: DesirableWeight · {wanted} / (UndesirableWeight · {unwanted}) is {settings.Ratio(wanted, unwanted).ToString("G3", System.Globalization.CultureInfo.InvariantCulture)}, but should be between 1 and 1.33 (arXiv:2402.01306, section 4.2). Set the weights so.";
    }

    /// <summary>Computes what the loss of each batch compares with: the divergence needs the whole batch, whose rows may then run in parts.</summary>
    protected internal override IReadOnlyList<Batch> Prepare(IReadOnlyList<Batch> batches, int step, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batches);
        return [.. batches.Select(Prepared)];
    }

    /// <inheritdoc/>
    protected internal override IReadOnlyList<Batch> Divide(Batch batch, int parts)
    {
        ArgumentNullException.ThrowIfNull(batch);
        PairedBatch.Check(batch, texts: 1);
        return Policy.RowsAreIndependent && (settings.Loss != KtoLoss.Kto || batch.Extra.ContainsKey(Divergence)) ? PairedBatch.Divide(batch, parts, texts: 1) : [batch];
    }

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(metrics);
        using var scope = NewDisposeScope();
        var (rows, divergence, losses, predictions) = Compute(batch);
        using (no_grad())
        {
            metrics.Add("kl", divergence, losses.size(0));
            rows.Report(metrics, settings.Beta);
            var wanted = rows.Desirable.unsqueeze(1);
            metrics.AddTokenMean("logits/chosen", predictions.MeanLogit!.mul(wanted), predictions.Mask.mul(wanted));
            metrics.AddTokenMean("logits/rejected", predictions.MeanLogit!.mul(wanted.logical_not()), predictions.Mask.mul(wanted.logical_not()));
            metrics.AddTokenMean("entropy", predictions.Entropy!, predictions.Mask);
        }
        return losses.mean().MoveToOuterDisposeScope();
    }

    /// <summary>The rows of a batch, the divergence z₀, and the loss of each row.</summary>
    internal (LabelledRows Rows, Tensor Divergence, Tensor Losses, TokenPredictions Predictions) Compute(Batch batch)
    {
        PairedBatch.Check(batch, texts: 1);
        var desirable = LabelledRows.Labels(batch);
        var divergence = PairedBatch.Column(batch, Divergence, batch.InputIds.size(0))?.mean() ?? DivergenceOf(batch);
        var predictions = Policy.Predict(batch, Policy.CompletionLabels(batch), TokenStatistics.Entropy | TokenStatistics.MeanLogit);
        var rows = new LabelledRows(predictions.LogProbabilities.sum(dim: 1), LabelledRows.ReferenceSums(Policy, batch), desirable);
        // 1 − σ(x) is σ(−x), and z₀ is 0 in the APO loss.
        var over = rows.Ratios.sub(divergence).mul(Constant(settings.Beta));
        var losses = where(desirable, over.neg().sigmoid().mul(Constant(settings.DesirableWeight)), over.sigmoid().mul(Constant(settings.UndesirableWeight)));
        return (rows, divergence, losses, predictions);
    }

    Policy IReferenceObjective.Policy => Policy;

    string IReferenceObjective.ReferenceSettings => "kto";

    IReadOnlyDictionary<string, Tensor> IReferenceObjective.ReferenceOf(Batch batch)
    {
        PairedBatch.Check(batch, texts: 1);
        return new Dictionary<string, Tensor> { [LabelledRows.ReferenceName] = LabelledRows.ReferenceSums(Policy, batch) };
    }

    private Batch Prepared(Batch batch)
    {
        PairedBatch.Check(batch, texts: 1);
        var extra = batch.Extra.Where(pair => !pair.Key.StartsWith(MismatchedPrefix, StringComparison.Ordinal)).ToDictionary(pair => pair.Key, pair => pair.Value);
        extra[LabelledRows.ReferenceName] = LabelledRows.ReferenceSums(Policy, batch);
        if (settings.Loss == KtoLoss.Kto) extra[Divergence] = DivergenceOf(batch).expand(batch.InputIds.size(0)).clone();
        return new() { InputIds = batch.InputIds, AttentionMask = batch.AttentionMask, Extra = extra, Weight = batch.Weight, Tokens = batch.Tokens };
    }

    // z₀: the mean log-ratio of mismatched pairs, no less than 0, without a gradient.
    private Tensor DivergenceOf(Batch batch)
    {
        if (settings.Loss != KtoLoss.Kto) return zeros([], ScalarType.Float32, batch.InputIds.device);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var mismatched = Mismatched(batch);
        return MismatchedSums(mismatched).sub(MismatchedReferenceSums(batch, mismatched)).mean().clamp_min(Constant(0)).MoveToOuterDisposeScope();
    }

    /// <summary>Sums of the policy's log-probabilities of mismatched completions.</summary>
    internal Tensor MismatchedSums(Batch mismatched)
    {
        using var asked = Policy.Predict(mismatched, Policy.CompletionLabels(mismatched));
        return asked.LogProbabilities.sum(dim: 1);
    }

    /// <summary>The same under the reference, from the batch if it holds them.</summary>
    internal Tensor MismatchedReferenceSums(Batch batch, Batch mismatched)
    {
        if (PairedBatch.Column(batch, MismatchedReference, batch.InputIds.size(0)) is { } known) return known;
        using var asked = Policy.PredictByReference(mismatched, Policy.CompletionLabels(mismatched));
        return asked.LogProbabilities.sum(dim: 1);
    }

    /// <summary>The mismatched pairs of a batch, as a batch.</summary>
    internal static Batch Mismatched(Batch batch)
    {
        if (!batch.Extra.TryGetValue("KL_input_ids", out var ids))
            throw new ArgumentException("The batch has no KL_input_ids: the KTO loss needs each prompt with the completion of another row. Let the dataset add them, or use KtoLoss.ApoZeroUnpaired.", nameof(batch));
        if (TensorRules.RequireAlive(ids, "KL_input_ids").shape is not [var rows, _] || rows != batch.InputIds.size(0))
            throw new ArgumentException($"KL_input_ids is {TensorRules.Describe(ids)}, but must be [{batch.InputIds.size(0)}, sequence]: a mismatched pair for each row.", nameof(batch));
        PairedBatch.CheckMask(batch, "KL_completion_mask", ids);
        Batch mismatched = new()
        {
            InputIds = ids,
            AttentionMask = batch.Extra.GetValueOrDefault("KL_attention_mask"),
            Extra = batch.Extra.Where(pair => pair.Key.StartsWith(MismatchedPrefix, StringComparison.Ordinal)).ToDictionary(pair => pair.Key[MismatchedPrefix.Length..], pair => pair.Value),
        };
        PairedBatch.Check(mismatched, texts: 1);
        return mismatched;
    }
}
