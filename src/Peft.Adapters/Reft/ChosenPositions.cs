using static TorchSharp.torch;

namespace Peft.Adapters;

/// <summary>Positions of hidden states.</summary>
/// <param name="Index">Their indices <c>[rows, count]</c>.</param>
/// <param name="Exists">False where a row has no such position, <c>[rows, count]</c>.</param>
internal readonly record struct ChosenPositions(Tensor Index, Tensor Exists);
