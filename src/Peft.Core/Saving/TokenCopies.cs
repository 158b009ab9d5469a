using static TorchSharp.torch;

namespace Peft;

/// <summary>The trained rows of embeddings under the additional names of Hugging Face's files.</summary>
internal sealed class TokenCopies(IReadOnlyList<(TokensLayer Layer, string Key)> copies) : SharedTensors(copies[0].Layer.Target.ComputeType, copies[0].Layer.Target.Device), ISavesCopies
{
    public IReadOnlyDictionary<string, Tensor> SavedCopies => copies.ToDictionary(copy => copy.Key, copy => copy.Layer.Rows);
}
