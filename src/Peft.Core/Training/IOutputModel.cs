using static TorchSharp.torch;

namespace Peft;

/// <summary>A model whose outputs a dataset can measure (<see cref="TrainingDataset.Measure"/>).</summary>
public interface IOutputModel : ILossModel
{
    /// <summary>Computes the mean loss of a batch, as <see cref="ILossModel.Loss"/> does, and the output on which it is based, in a single forward pass.</summary>
    /// <returns>The loss, a scalar; and the output, with one row per row of the batch and, for token-level outputs, one position per token.</returns>
    (Tensor Loss, Tensor Output) LossAndOutput(Batch batch);
}
