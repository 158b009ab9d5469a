using static TorchSharp.torch;

namespace Peft;

/// <summary>Runs the forward and backward passes of the batches of a step, without the penalty of the model.</summary>
internal interface IBackward : IDisposable
{
    /// <summary>Adds the gradients of batches to those of the parameters.</summary>
    /// <param name="batches">The batches of one step.</param>
    /// <param name="seed">Seed of this step's random generator.</param>
    /// <param name="metrics">Receives the metrics of the objective.</param>
    /// <returns>The mean loss, and the names of tensors without a gradient; null if it does not support these batches, in which case it has no effect.</returns>
    (Tensor Loss, IReadOnlyList<string> Missing)? Run(IReadOnlyList<Batch> batches, long seed, TrainingMetrics metrics);
}
