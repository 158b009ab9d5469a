namespace Peft.Tokenizers;

/// <summary>Text that is split into pieces. An added token is a piece that already has its token and is not split again.</summary>
internal sealed class PreTokenizedText(string original, TextBudget budget)
{
    private List<Piece> pieces = [new(new(original, budget), null)];

    /// <summary>The pieces in order.</summary>
    public IReadOnlyList<Piece> Pieces => pieces;

    /// <summary>Splits every piece without tokens, and drops empty pieces.</summary>
    public void Split(Func<NormalizedText, IEnumerable<Piece>> split)
    {
        var result = new List<Piece>(pieces.Count);
        foreach (var piece in pieces)
        {
            if (piece.Tokens is not null)
                result.Add(piece);
            else
                result.AddRange(split(piece.Text).Where(part => part.Text.Text.Length > 0));
        }
        pieces = result;
    }

    /// <summary>Splits every piece without tokens by a pattern.</summary>
    public void Split(TextPattern pattern, SplitBehavior behavior)
        => Split(text => Splitter.Split(text, pattern, behavior));

    /// <summary>Normalizes every piece without tokens.</summary>
    public void Normalize(Action<NormalizedText> normalize)
    {
        foreach (var piece in pieces)
        {
            if (piece.Tokens is null)
                normalize(piece.Text);
        }
    }

    internal readonly record struct Piece(NormalizedText Text, IReadOnlyList<TextToken>? Tokens);
}
