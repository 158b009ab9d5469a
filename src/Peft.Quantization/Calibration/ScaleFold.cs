using Peft.Modules;

namespace Peft.Quantization;

/// <summary>A module into which factors of inputs can be folded: its outputs, apart from operations that commute with factors, are the inputs of other modules and of nothing else.</summary>
/// <param name="From">A norm, or a linear module.</param>
/// <param name="To">The modules with these inputs.</param>
/// <param name="Outputs">The output of <paramref name="From"/> that is each input; null if they are in the same order.</param>
/// <param name="NormOffset">What a norm adds to its weight.</param>
internal sealed record ScaleFold(AdaptableModule From, IReadOnlyList<AdaptableModule> To, IReadOnlyList<long>? Outputs = null, double NormOffset = 0);
