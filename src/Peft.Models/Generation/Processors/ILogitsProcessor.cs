using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Changes the scores of the next token before one is chosen. A stateless processor may be used by several runs.</summary>
public interface ILogitsProcessor
{
    /// <summary>Changes the scores. Runs in a dispose scope, which frees temporary tensors.</summary>
    /// <param name="context">The prompts and the tokens generated so far.</param>
    /// <param name="scores"><c>[rows, vocabulary]</c>, float32, on the model's device: logits, or in beam search their log-softmax. −∞ excludes a token.</param>
    /// <returns>Scores of the same shape: the given tensor, modified in place or not, or a new one.</returns>
    Tensor Process(LogitsContext context, Tensor scores);
}
