using static TorchSharp.torch;

namespace Peft;

/// <summary>Weight and bias of one operation, into which adapters are folded.</summary>
/// <param name="Weight">The weight as <c>[out, in]</c>, whatever shape the module stores; <c>[size]</c> for a norm.</param>
/// <param name="Bias">The bias <c>[out]</c>, or null.</param>
public sealed record Weights(Tensor Weight, Tensor? Bias);
