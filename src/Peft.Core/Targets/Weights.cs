using static TorchSharp.torch;

namespace Peft;

/// <summary>The numbers of one operation: what adapters fold into.</summary>
/// <param name="Weight">The weight seen as <c>[out, in]</c>, whatever the module stores; <c>[size]</c> for a norm.</param>
/// <param name="Bias">The bias <c>[out]</c>, or null.</param>
public sealed record Weights(Tensor Weight, Tensor? Bias);
