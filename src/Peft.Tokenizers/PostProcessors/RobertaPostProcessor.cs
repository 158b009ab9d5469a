namespace Peft.Tokenizers;

/// <summary>RoBERTa's <c>&lt;s&gt; A &lt;/s&gt; &lt;/s&gt; B &lt;/s&gt;</c>, all with token type 0.</summary>
internal sealed class RobertaPostProcessor((int Id, string Token) cls, (int Id, string Token) sep, bool trimOffsets, bool addPrefixSpace) : IPostProcessor
{
    private readonly ByteLevelPostProcessor offsets = new(trimOffsets, addPrefixSpace);

    public int AddedTokens(bool isPair) => isPair ? 4 : 2;

    public List<List<TokenEntry>> Process(List<List<TokenEntry>> sequences, bool addSpecialTokens, TextBudget budget)
    {
        var trimmed = offsets.Process(sequences, addSpecialTokens, budget).Select(sequence => sequence.ConvertAll(token => token with { TypeId = 0 }));
        if (!addSpecialTokens)
            return [.. trimmed];
        return [.. trimmed.Select((sequence, i) =>
        {
            var first = i == 0 ? cls : sep;
            return (List<TokenEntry>)[TokenEntry.Special(first.Id, first.Token, 0), .. sequence, TokenEntry.Special(sep.Id, sep.Token, 0)];
        })];
    }
}
