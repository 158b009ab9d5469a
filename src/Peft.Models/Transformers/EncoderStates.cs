using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The input of cross-attention.</summary>
/// <param name="States">The encoder's output, <c>[batch, source, hidden]</c>.</param>
/// <param name="Pattern">The visible states.</param>
/// <param name="Positions">Positions of the states, for adapters of the projections.</param>
internal sealed record EncoderStates(Tensor States, AttentionPattern Pattern, PassPositions Positions);
