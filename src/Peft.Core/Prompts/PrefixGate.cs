using static TorchSharp.torch;

namespace Peft;

/// <summary>How far a layer's prefix is open: factors of its keys and values, which depend on what the layer's attention reads.</summary>
/// <param name="input">The input of the attention, <c>[batch, sequence, hidden]</c>.</param>
/// <returns><c>[batch, sequence, length of the prefix]</c>, or a sequence of 1 for the same at all positions.</returns>
public delegate Tensor PrefixGate(Tensor input);
