using static TorchSharp.torch;

namespace Peft;

/// <summary>The trained rows of a tied embedding under the additional names of Hugging Face's files.</summary>
internal sealed class TokenCopies(TokensLayer layer, IReadOnlyList<string> keys) : SharedTensors(layer.Target.ComputeType, layer.Target.Device), ISavesCopies
{
    public IReadOnlyDictionary<string, Tensor> SavedCopies => keys.ToDictionary(key => key, _ => layer.Rows);
}
