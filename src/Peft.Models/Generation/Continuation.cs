using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>What a run of generation needs of a model: where the rows start, and the logits of their next tokens.</summary>
/// <param name="start">The tokens that each row begins with.</param>
/// <param name="next">Logits of the last position <c>[rows, 1, vocabulary]</c>, for new token ids after what the cache holds, and the tensors that are held.</param>
/// <param name="held">Tensors <c>[rows, …]</c> to keep until the end.</param>
internal sealed class Continuation(IReadOnlyList<IReadOnlyList<int>> start, Func<ModelInput, IReadOnlyList<Tensor>, Tensor> next, params Tensor[] held) : IDisposable
{
    public IReadOnlyList<IReadOnlyList<int>> Start { get; } = start;

    public Tensor Next(ModelInput input) => next(input, held);

    /// <summary>Gives each row so many copies, one after another.</summary>
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
