using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A processor from outside: what it returns must be scores.</summary>
internal sealed class CheckedProcessor(ILogitsProcessor processor) : ILogitsProcessor
{
    public Tensor Process(LogitsContext context, Tensor scores)
    {
        var result = processor.Process(context, scores);
        if (result is null || !result.shape.SequenceEqual(scores.shape) || result.dtype != scores.dtype)
            throw new InvalidOperationException(
                $"{processor.GetType().Name} returned {(result is null ? "nothing" : $"{result.dtype} [{string.Join(", ", result.shape)}]")}, but the scores are {scores.dtype} [{string.Join(", ", scores.shape)}]: return scores of that shape and type.");
        return result;
    }
}
