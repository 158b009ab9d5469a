namespace Peft.Tokenizers;

/// <summary>BERT's <c>[CLS] A [SEP] B [SEP]</c> with token type 1 for B and its separator.</summary>
internal sealed class BertPostProcessor((int Id, string Token) cls, (int Id, string Token) sep) : IPostProcessor
{
    public int AddedTokens(bool isPair) => isPair ? 3 : 2;

    public List<List<TokenEntry>> Process(List<List<TokenEntry>> sequences, bool addSpecialTokens, TextBudget budget)
    {
        if (!addSpecialTokens)
            return sequences;
        return [.. sequences.Select((sequence, i) => (List<TokenEntry>)(i == 0
            ? [TokenEntry.Special(cls.Id, cls.Token, 0), .. sequence, TokenEntry.Special(sep.Id, sep.Token, 0)]
            : [.. sequence, TokenEntry.Special(sep.Id, sep.Token, 1)]))];
    }
}
