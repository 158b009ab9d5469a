using Peft.Models;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Peft;

/// <summary>
/// Binary classifier optimization (BCO, arXiv:2404.04656): rewards β · log-ratio of policy and reference classify completions into desirable and undesirable ones, relative to δ, the
/// running mean of all rewards of the run. No pairs are needed.
/// </summary>
/// <remarks>
/// Batches hold <see cref="Batch.InputIds"/> <c>[n, sequence]</c>, <c>completion_mask</c> of the same shape and <c>label</c> <c>[n]</c>, 1 for desirable rows; optionally <c>ref_logps</c>
/// <c>[n]</c>, which replaces the reference, and <c>weight</c> <c>[n]</c> of their losses (<see cref="UnpairedDatasetOptions.DensityRatios"/>). A batch moves δ before its loss is computed, if the loss has a gradient: evaluations leave δ as it is. Checkpoints hold δ.
/// </remarks>
/// <param name="policy">The policy: a <see cref="CausalLM"/>, usually with an adapter.</param>
/// <param name="options">Settings; the defaults if null.</param>
/// <param name="reference">The reference; the policy without its adapters if null.</param>
public sealed class BcoObjective(ITrainable policy, BcoOptions? options = null, Reference? reference = null) : ReferencedObjective(policy, reference), IReferenceObjective
{
    private readonly BcoOptions settings = options ?? new();
    private RunningMean running, done;   // with the batches of the current step, and after the last step

    /// <summary>δ: the mean of all rewards so far.</summary>
    public double Delta => running.Mean;

    /// <inheritdoc/>
    protected internal override bool UsesDropout => false;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options) => [.. settings.Errors(), .. Policy.Errors(model)];

    /// <summary>Forgets the batches of a step that was skipped because its loss was not finite.</summary>
    protected internal override IReadOnlyList<Batch> Prepare(IReadOnlyList<Batch> batches, int step, TrainingMetrics metrics)
    {
        if (step == 0) done = default;   // a new run
        running = done;
        return batches;
    }

    /// <inheritdoc/>
    protected internal override void AfterStep(int step)
    {
        base.AfterStep(step);
        done = running;
    }

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(metrics);
        using var scope = NewDisposeScope();
        var (rows, losses, meanLogits) = Compute(batch);
        using (no_grad())
        {
            metrics.Add("delta", Delta, losses.size(0));
            rows.Report(metrics, settings.Beta);
            // TRL's definition: sums over all positions, padding included, and the vocabulary, for each row.
            var logits = meanLogits.sum(dim: 1).mul(Constant((double)Policy.Model.Head.Storage.Shape[0]));
            var (wanted, unwanted) = (rows.Desirable.to_type(logits.dtype), rows.Desirable.logical_not().to_type(logits.dtype));
            metrics.AddTokenMean("logits/chosen", logits.mul(wanted), wanted);
            metrics.AddTokenMean("logits/rejected", logits.mul(unwanted), unwanted);
        }
        return losses.mean().MoveToOuterDisposeScope();
    }

    /// <summary>The rows of a batch, the loss of each row, and the mean logits of all positions.</summary>
    internal (LabelledRows Rows, Tensor Losses, Tensor MeanLogits) Compute(Batch batch)
    {
        PairedBatch.Check(batch, texts: 1);
        var desirable = LabelledRows.Labels(batch);
        var predictions = Policy.Predict(batch, Policy.CompletionLabels(batch), TokenStatistics.MeanLogitOfAllPositions);
        var rows = new LabelledRows(predictions.LogProbabilities.sum(dim: 1), LabelledRows.ReferenceSums(Policy, batch), desirable);
        var rewards = rows.Ratios.mul(Constant(settings.Beta));
        if (is_grad_enabled()) running = running.Add(rewards.detach().mean().to_type(ScalarType.Float64).item<double>(), rewards.size(0));
        var over = rewards.sub(Constant(Delta));
        var losses = functional.logsigmoid(where(desirable, over, over.neg())).neg();
        return (rows, PairedBatch.Column(batch, "weight", batch.InputIds.size(0)) is { } weight ? losses.mul(weight) : losses, predictions.MeanLogitOfAllPositions!);
    }

    /// <inheritdoc/>
    protected internal override IReadOnlyDictionary<string, Tensor> SaveState()
        => new Dictionary<string, Tensor>(base.SaveState()) { ["delta"] = tensor([done.Mean], ScalarType.Float64), ["count"] = tensor([done.Count], ScalarType.Int64) };

    /// <inheritdoc/>
    protected internal override void LoadState(IReadOnlyDictionary<string, Tensor> state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (!state.TryGetValue("delta", out var mean) || !state.TryGetValue("count", out var count) || mean.numel() != 1 || count.numel() != 1)
            throw new TrainingException("The checkpoint does not hold BCO's running mean of rewards (delta, count): it belongs to a run with another objective.");
        base.LoadState(state);
        running = done = new(mean.to_type(ScalarType.Float64).item<double>(), count.to_type(ScalarType.Int64).item<long>());
    }

    Policy IReferenceObjective.Policy => Policy;

    string IReferenceObjective.ReferenceSettings => "bco";

    IReadOnlyDictionary<string, Tensor> IReferenceObjective.ReferenceOf(Batch batch)
    {
        PairedBatch.Check(batch, texts: 1);
        return new Dictionary<string, Tensor> { [LabelledRows.ReferenceName] = LabelledRows.ReferenceSums(Policy, batch) };
    }
}
