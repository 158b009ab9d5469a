using static TorchSharp.torch;

namespace Peft;

/// <summary>y = o∘((i∘x)·Wᵀ) + b.</summary>
/// <param name="Inputs">i <c>[in]</c>, or null.</param>
/// <param name="Outputs">o <c>[out]</c>, or null.</param>
/// <param name="Bias">b <c>[out]</c>, or null.</param>
public sealed record ChannelScales(Tensor? Inputs, Tensor? Outputs, Tensor? Bias);
