using static TorchSharp.torch;

namespace Peft;

/// <summary>An owner of tensors whose file also contains other forms of them, such as a soft prompt next to the encoder that computes it. The copies are not loaded.</summary>
public interface ISavesCopies
{
    /// <summary>The copies by name.</summary>
    IReadOnlyDictionary<string, Tensor> SavedCopies { get; }
}
