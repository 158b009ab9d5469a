using static TorchSharp.torch;

namespace Peft;

/// <summary>The forward and backward passes over the batches of a step. The penalty of the model is not part of them.</summary>
internal interface IBackward : IDisposable
{
    /// <summary>Adds the gradients of batches to those of the parameters.</summary>
    /// <param name="batches">The batches of one step.</param>
    /// <param name="seed">Seed of this step's random generator.</param>
    /// <param name="metrics">Receives the metrics of the objective.</param>
    /// <returns>The mean loss, and the names of tensors without a gradient; null if it cannot run these batches. In that case nothing was done.</returns>
    (Tensor Loss, IReadOnlyList<string> Missing)? Run(IReadOnlyList<Batch> batches, long seed, TrainingMetrics metrics);
}
