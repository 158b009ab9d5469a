namespace Peft.Models;

/// <summary>Several decoders, one after another.</summary>
internal sealed class SequenceDecoder(IReadOnlyList<IDecoder> parts) : IDecoder
{
    public List<string> Decode(List<string> tokens, TextBudget budget) => parts.Aggregate(tokens, (current, part) => part.Decode(current, budget));
}
