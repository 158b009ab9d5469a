namespace Peft.Models;

/// <summary>
/// BERT's WordPiece: the longest token that a word begins with, then the longest that what is left begins with.
/// Microsoft.ML.Tokenizers' cuts and measures words in UTF-16 units, where the reference counts code points.
/// </summary>
internal sealed class WordPieceModel(Vocabulary vocabulary, string unknownToken, string continuingPrefix, int longestWord) : ITokenModel
{
    public Vocabulary Vocabulary => vocabulary;

    public IReadOnlyList<TextToken> Tokenize(string text)
    {
        var positions = Utf16.CodePointPositions(text);
        if ((positions?[^1] ?? text.Length) > longestWord)
            return [Unknown(text)];
        var result = new List<TextToken>();
        for (var start = 0; start < text.Length;)
        {
            if (Longest(text, start) is not { } token)
                return [Unknown(text)];
            result.Add(token);
            start = token.End;
        }
        return result;
    }

    TextToken? Longest(string text, int start)
    {
        var candidate = start > 0 ? continuingPrefix + text[start..] : text;
        for (var end = text.Length; end > start; end -= char.IsLowSurrogate(text[end - 1]) ? 2 : 1)
        {
            var piece = candidate.AsSpan(0, candidate.Length - (text.Length - end));
            if (vocabulary.TryGetId(piece, out var id))
                return new(id, piece.ToString(), start, end);
        }
        return null;
    }

    TextToken Unknown(string text) => new(
        vocabulary.IdOf(unknownToken) ?? throw new TokenizerException($"The text needs the unknown token \"{unknownToken}\", which the vocabulary lacks."),
        unknownToken, 0, text.Length);
}
