namespace Peft.Tokenizers;

/// <summary>Adds special tokens by a template, such as <c>[CLS] A [SEP] B [SEP]</c>.</summary>
internal sealed class TemplatePostProcessor(IReadOnlyList<TemplatePiece> single, IReadOnlyList<TemplatePiece> pair) : IPostProcessor
{
    public int AddedTokens(bool isPair) => (isPair ? pair : single).Sum(piece => piece.Tokens.Count);

    public List<List<TokenEntry>> Process(List<List<TokenEntry>> sequences, bool addSpecialTokens, TextBudget budget)
    {
        if (sequences.Count > 2)
            throw new TokenizerException("A template that follows another post-processor that has already added special tokens is not supported.");
        var result = new List<List<TokenEntry>>();
        foreach (var piece in sequences.Count == 2 ? pair : single)
        {
            budget.Charge(piece.Sequence is { } at ? sequences[at].Count : piece.Tokens.Count);
            if (piece.Sequence is { } index)
                result.Add([.. sequences[index].Select(token => token with { TypeId = piece.TypeId })]);
            else if (addSpecialTokens)
                result.Add([.. piece.Tokens.Select(token => TokenEntry.Special(token.Id, token.Token, piece.TypeId))]);
        }
        return result;
    }
}
