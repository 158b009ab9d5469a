namespace Peft.Tokenizers;

/// <summary>
/// BERT's WordPiece: repeatedly takes the longest token that is a prefix of the remaining word.
/// The implementation in Microsoft.ML.Tokenizers measures words in UTF-16 code units, but the reference counts code points.
/// </summary>
internal sealed class WordPieceModel : ITokenModel
{
    private readonly string unknownToken;
    private readonly int maxWordLength;
    private readonly PrefixSet first, continuing;

    public WordPieceModel(Vocabulary vocabulary, string unknownToken, string continuingPrefix, int maxWordLength)
    {
        (Vocabulary, this.unknownToken, this.maxWordLength) = (vocabulary, unknownToken, maxWordLength);
        first = new([.. vocabulary.Entries.Where(entry => entry.Key.Length > 0).Select(entry => (entry.Key, entry.Value))]);
        continuing = new([.. vocabulary.Entries.Where(entry => entry.Key.Length > continuingPrefix.Length && entry.Key.StartsWith(continuingPrefix, StringComparison.Ordinal))
            .Select(entry => (entry.Key[continuingPrefix.Length..], entry.Value))]);
    }

    public Vocabulary Vocabulary { get; }

    public IReadOnlyList<TextToken> Tokenize(string text)
    {
        var positions = Utf16.CodePointPositions(text);
        if ((positions?[^1] ?? text.Length) > maxWordLength)
            return [Unknown(text)];
        var result = new List<TextToken>();
        for (var start = 0; start < text.Length;)
        {
            if (!(start == 0 ? first : continuing).TryFindLongest(text.AsSpan(start), out var length, out var id))
                return [Unknown(text)];
            Vocabulary.TryGetToken(id, out var value);
            result.Add(new(id, value!, start, start + length));
            start += length;
        }
        return result;
    }

    private TextToken Unknown(string text) => new(
        Vocabulary.IdOf(unknownToken) ?? throw new TokenizerException($"The text requires the unknown token \"{unknownToken}\", which the vocabulary lacks."),
        unknownToken, 0, text.Length);
}
