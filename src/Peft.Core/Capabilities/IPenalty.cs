using static TorchSharp.torch;

namespace Peft;

/// <summary>A layer, or the tensors that layers share, that adds a term to the training loss.</summary>
public interface IPenalty
{
    /// <summary>Computes a weighted scalar to add to the loss; null if there is none in this step.</summary>
    Tensor? Penalty();
}
