namespace Peft.Tokenizers;

/// <summary>A sequence of post-processors.</summary>
internal sealed class SequencePostProcessor(IReadOnlyList<IPostProcessor> parts) : IPostProcessor
{
    public int AddedTokens(bool isPair) => parts.Sum(part => part.AddedTokens(isPair));

    public List<List<TokenEntry>> Process(List<List<TokenEntry>> sequences, bool addSpecialTokens, TextBudget budget)
        => parts.Aggregate(sequences, (current, part) => part.Process(current, addSpecialTokens, budget));
}
