using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// The training objective: the loss of a batch, and what the loss requires in addition to the model, such as a reference or generated completions. The trainer's
/// loop, optimizer, checkpoints and logs are the same for every objective.
/// </summary>
public abstract class Objective
{
    /// <summary>Computes the loss of a batch: a scalar with a gradient, the mean over the positions or rows that <see cref="Batch.Weight"/> counts.</summary>
    /// <param name="batch">The batch, or a part of one that <see cref="Divide"/> returned.</param>
    /// <param name="metrics">Receives the metrics of the batch.</param>
    protected internal abstract Tensor Loss(Batch batch, TrainingMetrics metrics);

    /// <summary>
    /// The terms whose sum is the loss. The trainer differentiates each term before the next one is computed, so that the activations of terms from separate forward passes need not be in memory at the same time. One term by default:
    /// <see cref="Loss"/>.
    /// </summary>
    /// <inheritdoc cref="Loss"/>
    /// <returns>Scalars, each computed when it is asked for. What one term computes is disposed before the next.</returns>
    protected internal virtual IEnumerable<Tensor> LossTerms(Batch batch, TrainingMetrics metrics)
    {
        yield return Loss(batch, metrics);
    }

    /// <inheritdoc cref="ILossModel.Divide"/>
    protected internal virtual IReadOnlyList<Batch> Divide(Batch batch, int parts) => [batch];

    /// <summary>False to train without any dropout, in evaluation mode, so that log-probabilities of the policy and the reference are comparable. True by default.</summary>
    protected internal virtual bool UsesDropout => true;

    /// <summary>Number of optimizer steps on the same batches of the dataset: <see cref="Prepare"/> receives them that many times. 1 by default.</summary>
    protected internal virtual int StepsPerBatch => 1;

    /// <summary>
    /// Prepares the batches of a step before its forward passes, without gradients, for example by generating and scoring completions. The returned batches
    /// replace the given ones. The trainer disposes both.
    /// </summary>
    /// <param name="batches">The batches of the dataset for this step, on the model's device.</param>
    /// <param name="step">Number of completed steps.</param>
    /// <param name="metrics">Receives metrics of the preparation.</param>
    protected internal virtual IReadOnlyList<Batch> Prepare(IReadOnlyList<Batch> batches, int step, TrainingMetrics metrics) => batches;

    /// <summary>
    /// Prepares a batch of an evaluation as <see cref="Prepare"/> prepares those of a step, but without changing the objective's state. The caller disposes a returned batch
    /// that is not the given one.
    /// </summary>
    /// <param name="batch">The batch of the evaluation dataset, on the model's device.</param>
    /// <param name="step">Number of completed steps.</param>
    /// <param name="seed">Seed of the random generator, different for each batch and the same in each evaluation.</param>
    /// <param name="metrics">Receives metrics of the preparation.</param>
    protected internal virtual Batch PrepareEvaluation(Batch batch, int step, long seed, TrainingMetrics metrics) => batch;

    /// <summary>Cancelled when the run or the evaluation should end. Long operations must observe it.</summary>
    protected internal CancellationToken Cancellation { get; internal set; }

    /// <summary>Index of the current epoch, from 0: in an evaluation, that of the step before it.</summary>
    protected internal int Epoch { get; internal set; }

    /// <summary>Called after each optimizer step.</summary>
    /// <param name="step">Number of completed steps, from 1.</param>
    protected internal virtual void AfterStep(int step) { }

    /// <summary>Returns the state to save in a checkpoint, such as running means and generated completions: new tensors or aliases, of any shape, by name.</summary>
    protected internal virtual IReadOnlyDictionary<string, Tensor> SaveState() => new Dictionary<string, Tensor>();

    /// <summary>Restores the state that <see cref="SaveState"/> returned. The tensors are on the CPU and are disposed after the call.</summary>
    /// <exception cref="TrainingException">The state belongs to another objective.</exception>
    protected internal virtual void LoadState(IReadOnlyDictionary<string, Tensor> state) { }

    /// <summary>Reasons that the objective cannot be used with a model and its training options; empty if it can.</summary>
    protected internal virtual IEnumerable<string> Errors(ITrainable model, TrainingOptions options) => [];

    /// <summary>Warnings that the trainer logs at the beginning of a run.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">Options of the run.</param>
    /// <param name="data">The training rows.</param>
    protected internal virtual IEnumerable<string> Warnings(ITrainable model, TrainingOptions options, TrainingDataset data) => [];
}
