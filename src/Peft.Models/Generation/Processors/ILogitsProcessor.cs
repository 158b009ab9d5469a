using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Changes the scores of the next token before one is chosen. One object may serve several runs if it keeps nothing between calls.</summary>
public interface ILogitsProcessor
{
    /// <summary>Changes scores. It runs in a dispose scope: temporary tensors are freed after it.</summary>
    /// <param name="context">What has been written so far.</param>
    /// <param name="scores"><c>[rows, vocabulary]</c>, float32, on the model's device: logits, or in beam search their log-softmax. −∞ excludes a token.</param>
    /// <returns>Scores of the same shape: the tensor given, changed or not, or a new one.</returns>
    Tensor Process(LogitsContext context, Tensor scores);
}
