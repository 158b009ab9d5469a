using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>What a run of generation needs of a model: where the rows start, and the logits of their next tokens.</summary>
/// <param name="start">The tokens that each row begins with.</param>
/// <param name="next">Logits of the last position <c>[batch, 1, vocabulary]</c>, for new token ids after what the cache holds.</param>
/// <param name="held">Tensors to release at the end.</param>
internal sealed class Continuation(IReadOnlyList<IReadOnlyList<int>> start, Func<ModelInput, Tensor> next, params Tensor[] held) : IDisposable
{
    public IReadOnlyList<IReadOnlyList<int>> Start { get; } = start;

    public Tensor Next(ModelInput input) => next(input);

    public void Dispose()
    {
        foreach (var tensor in held) tensor.Dispose();
    }
}
