using static TorchSharp.torch;

namespace Peft;

/// <summary>ΔW = scale·B·A.</summary>
/// <param name="A"><c>[rank, in]</c></param>
/// <param name="B"><c>[out, rank]</c></param>
/// <param name="Scale">The scaling factor.</param>
public sealed record LowRankUpdate(Tensor A, Tensor B, double Scale = 1);
