using Peft.Models;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Peft;

/// <summary>
/// Trains a reward model on preferences (Bradley and Terry 1952): −log σ(r_chosen − r_rejected − margin), where r is the only score of a <see cref="SequenceClassifier"/>, read at a
/// text's last token.
/// </summary>
/// <remarks>
/// Batches hold <see cref="Batch.InputIds"/> <c>[2n, sequence]</c>, prompt and completion, the chosen texts first; optionally <c>margin</c> <c>[n]</c>, by how much the rewards should differ.
/// An adapter fully trains the head and saves it. Evaluations add <c>rewards/chosen</c> and <c>rewards/rejected</c>, the mean rewards, and <c>calibration_error</c>: how far the
/// probabilities σ(r_chosen − r_rejected) are from the fractions of pairs that are right.
/// </remarks>
public sealed class RewardObjective : Objective
{
    private readonly RewardOptions settings;
    private readonly SequenceClassifier model;

    /// <summary>Creates the objective.</summary>
    /// <param name="model">The reward model: a <see cref="SequenceClassifier"/> of one label, usually with an adapter.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <exception cref="AdapterOptionsException">The model is not a classifier of sequences with one label.</exception>
    public RewardObjective(ITrainable model, RewardOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        settings = options ?? new();
        this.model = model.Module as SequenceClassifier ?? throw new AdapterOptionsException(
            $"A reward model is a {nameof(SequenceClassifier)}, which {model.Module.GetType().Name} is not: load it with {nameof(SequenceClassifier)}.FromPretrained and LabelCount 1.");
        if (this.model.LabelCount != 1)
            throw new AdapterOptionsException($"A reward model has one score, but this classifier has {this.model.LabelCount} labels: load it with LoadOptions.LabelCount 1.");
    }

    /// <inheritdoc/>
    protected internal override bool UsesDropout => false;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options)
    {
        foreach (var error in settings.Errors()) yield return error;
        if (!ReferenceEquals(model.Module, this.model)) yield return "The objective was made for another model than the trainer's: pass both the same.";
    }

    /// <inheritdoc/>
    protected internal override IReadOnlyList<Batch> Divide(Batch batch, int parts)
    {
        ArgumentNullException.ThrowIfNull(batch);
        PairedBatch.CheckRows(batch);
        return model.RowsDependOnThemselves ? PairedBatch.DivideRows(batch, parts) : [batch];
    }

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(metrics);
        using var scope = NewDisposeScope();
        var (chosen, rejected) = Compute(batch);
        var difference = chosen.sub(rejected);
        var margin = PairedBatch.Column(batch, "margin", chosen.size(0));
        var loss = functional.logsigmoid(margin is null ? difference : difference.sub(margin)).mean().neg();
        if (settings.CenterRewardsCoefficient is { } weight) loss = loss.add(chosen.add(rejected, One).square().mean().mul(Constant(weight)), One);
        Report(metrics, chosen.detach(), rejected.detach());
        return loss.MoveToOuterDisposeScope();
    }

    /// <summary>The rewards of the pairs of a batch, <c>[pairs]</c> each.</summary>
    internal (Tensor Chosen, Tensor Rejected) Compute(Batch batch)
    {
        PairedBatch.CheckRows(batch);
        return PairedBatch.Halves(model.forward(ModelInput.From(batch)).squeeze(-1).to_type(ScalarType.Float32));
    }

    private static void Report(TrainingMetrics metrics, Tensor chosen, Tensor rejected)
    {
        var training = is_grad_enabled();
        using var _ = no_grad();
        var pairs = (double)chosen.size(0);
        var (all, difference) = (cat([chosen, rejected]), chosen.sub(rejected));
        metrics.AddMinimum("min_reward", all.min());
        metrics.Add("mean_reward", all.mean(), pairs);
        metrics.AddMaximum("max_reward", all.max());
        metrics.Add("accuracy", difference.gt(Constant(0)).to_type(ScalarType.Float32).mean(), pairs);
        metrics.Add("margin", difference.mean(), pairs);
        if (training) return;
        metrics.Add("rewards/chosen", chosen.mean(), pairs);
        metrics.Add("rewards/rejected", rejected.mean(), pairs);
        Calibration.Add(metrics, difference);   // a batch is too small to tell
    }
}
