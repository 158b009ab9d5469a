using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Trains a process reward model (PRM, arXiv:2211.14275): a <see cref="TokenClassifier"/> of two labels says of each step of a solution whether it is right, at the separator that ends the
/// step. The loss is the mean cross-entropy of the steps.
/// </summary>
/// <remarks>Batches hold <see cref="Batch.InputIds"/> and <see cref="Batch.Labels"/> <c>[n, sequence]</c>: 1 or 0 at the last token of each step's separator, <see cref="Batch.IgnoredLabel"/> elsewhere.</remarks>
public sealed class ProcessRewardObjective : Objective
{
    private readonly TokenClassifier model;

    /// <summary>Creates the objective.</summary>
    /// <param name="model">The reward model: a <see cref="TokenClassifier"/> of two labels, usually with an adapter.</param>
    /// <exception cref="AdapterOptionsException">The model is not a classifier of tokens with two labels.</exception>
    public ProcessRewardObjective(ITrainable model)
    {
        ArgumentNullException.ThrowIfNull(model);
        this.model = model.Module as TokenClassifier ?? throw new AdapterOptionsException(
            $"A process reward model is a {nameof(TokenClassifier)}, which {model.Module.GetType().Name} is not: load it with {nameof(TokenClassifier)}.FromPretrained and LabelCount 2.");
        if (this.model.LabelCount != 2)
            throw new AdapterOptionsException($"A process reward model has two labels, wrong and right, but this classifier has {this.model.LabelCount}: load it with LoadOptions.LabelCount 2.");
    }

    /// <inheritdoc/>
    protected internal override bool UsesDropout => false;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options)
        => ReferenceEquals(model.Module, this.model) ? [] : ["The objective was made for another model than the trainer's: pass both the same."];

    /// <inheritdoc/>
    protected internal override IReadOnlyList<Batch> Divide(Batch batch, int parts) => model.Divide(batch, parts);

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(metrics);
        if (batch.Labels is not { } labels) throw new ArgumentException("The batch has no labels, which say of each step whether it is right.", nameof(batch));
        using var scope = NewDisposeScope();
        var (loss, logits) = model.LossAndOutput(batch);
        using (no_grad())
        {
            var labelled = labels.ne(Constant(Batch.IgnoredLabel));
            metrics.AddTokenMean("accuracy", logits.argmax(-1).eq(labels).logical_and(labelled).to_type(ScalarType.Float32), labelled.to_type(ScalarType.Float32));
        }
        return loss.MoveToOuterDisposeScope();
    }
}
