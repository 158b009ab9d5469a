using static TorchSharp.torch;

namespace Peft;

/// <summary>The weight and bias of an operation, into which adapters are folded.</summary>
/// <param name="Weight">The weight as <c>[out, in]</c>, regardless of the stored shape; <c>[size]</c> for a norm.</param>
/// <param name="Bias">The bias <c>[out]</c>, or null.</param>
public sealed record Weights(Tensor Weight, Tensor? Bias);
