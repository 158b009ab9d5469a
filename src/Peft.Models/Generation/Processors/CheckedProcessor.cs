using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Checks that a user's processor returns valid scores.</summary>
internal sealed class CheckedProcessor(ILogitsProcessor processor) : ILogitsProcessor
{
    public Tensor Process(LogitsContext context, Tensor scores)
    {
        var result = processor.Process(context, scores);
        if (result is not { IsInvalid: false } || !result.shape.SequenceEqual(scores.shape) || result.dtype != scores.dtype)
            throw new GenerationException(
                $"{processor.GetType().Name} returned {(result is null ? "nothing" : result.IsInvalid ? "a disposed tensor" : TensorRules.Describe(result))}, but the scores are {TensorRules.Describe(scores)}: return scores of that shape and dtype.");
        return result;
    }
}
