using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The parts of generation that depend on the model: the first tokens of each row, and the logits of the next tokens.</summary>
/// <param name="start">The first tokens of each row.</param>
/// <param name="next">Computes the logits of the last position, <c>[rows, 1, vocabulary]</c>, from the token ids that follow the cached ones and the held tensors.</param>
/// <param name="held">Tensors <c>[rows, …]</c> that all steps use.</param>
internal sealed class Continuation(IReadOnlyList<IReadOnlyList<int>> start, Func<ModelInput, IReadOnlyList<Tensor>, Tensor> next, params Tensor[] held) : IDisposable
{
    public IReadOnlyList<IReadOnlyList<int>> Start { get; } = start;

    public Tensor Next(ModelInput input) => next(input, held);

    /// <summary>Replaces each row by adjacent copies of it.</summary>
    public void Repeat(int copies)
    {
        for (var i = 0; i < held.Length; i++)
        {
            using var once = held[i];
            held[i] = once.repeat_interleave(copies, 0).DetachFromDisposeScope();
        }
    }

    public void Dispose()
    {
        foreach (var tensor in held) tensor.Dispose();
    }
}
