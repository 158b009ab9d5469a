namespace Peft.Tokenizers;

/// <summary>A sequence of decoders.</summary>
internal sealed class SequenceDecoder(IReadOnlyList<IDecoder> parts) : IDecoder
{
    public List<string> Decode(List<string> tokens, TextBudget budget) => parts.Aggregate(tokens, (current, part) => part.Decode(current, budget));
}
