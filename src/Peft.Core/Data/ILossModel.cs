using static TorchSharp.torch;

namespace Peft;

/// <summary>A model that computes its own training loss.</summary>
public interface ILossModel
{
    /// <summary>Computes the loss of a batch: a scalar with a gradient, the mean over the positions (or rows) that <see cref="Batch.Weight"/> counts.</summary>
    Tensor Loss(Batch batch);

    /// <summary>
    /// Divides a CPU batch into parts that a trainer may run sequentially, or concurrently if <see cref="PartsRunConcurrently"/>, each on its own thread. The mean of the parts' losses,
    /// weighted by <see cref="Batch.Weight"/>, must equal the loss of the batch, and the weights must sum to that of the batch. A model that divides batches
    /// must not have state that a training forward pass changes.
    /// </summary>
    /// <param name="batch">The batch; the parts may be views of its tensors.</param>
    /// <param name="parts">Maximum number of parts.</param>
    /// <returns>The parts, which the caller disposes; only the batch itself if it cannot be divided (the default).</returns>
    IReadOnlyList<Batch> Divide(Batch batch, int parts) => [batch];

    /// <summary>True if parts of a batch may run concurrently, on several threads; false if only sequentially. True by default.</summary>
    bool PartsRunConcurrently => true;
}
