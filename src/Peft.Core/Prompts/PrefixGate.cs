using static TorchSharp.torch;

namespace Peft;

/// <summary>Computes the gate of a layer's prefix: factors of its keys and values that depend on the input of the layer's attention.</summary>
/// <param name="input">The input of the attention, <c>[batch, sequence, hidden]</c>.</param>
/// <returns><c>[batch, sequence, prefix length]</c>, or with a sequence length of 1 for the same factors at all positions.</returns>
public delegate Tensor PrefixGate(Tensor input);
