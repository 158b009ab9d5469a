namespace Peft.Tokenizers;

/// <summary>One token per word.</summary>
internal sealed class WordLevelModel(Vocabulary vocabulary, string unknownToken) : ITokenModel
{
    public Vocabulary Vocabulary => vocabulary;

    public IReadOnlyList<TextToken> Tokenize(string text)
    {
        if (vocabulary.TryGetId(text, out var id))
            return [new(id, text, 0, text.Length)];
        var unknown = vocabulary.IdOf(unknownToken) ?? throw new TokenizerException($"The word \"{text}\" and the unknown token \"{unknownToken}\" are both missing from the vocabulary.");
        return [new(unknown, unknownToken, 0, text.Length)];
    }
}
