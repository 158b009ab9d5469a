using static TorchSharp.torch;

namespace Peft;

/// <summary>Keys and values that precede those of a layer's input.</summary>
/// <param name="Keys"><c>[batch, key/value heads, length, head size]</c>, already rotated if the model uses rotary embeddings.</param>
/// <param name="Values"><c>[batch, key/value heads, length, head size]</c></param>
public sealed record KeyValuePrefix(Tensor Keys, Tensor Values);
