using static TorchSharp.torch;

namespace Peft;

/// <summary>The rows of a shared embedding under the further names that Hugging Face's files have them.</summary>
internal sealed class TokenCopies(TokensLayer layer, IReadOnlyList<string> keys) : SharedTensors(layer.Target.Weight.dtype, layer.Target.Weight.device)
{
    protected internal override IReadOnlyDictionary<string, Tensor> SavedCopies => keys.ToDictionary(key => key, _ => layer.Rows);
}
