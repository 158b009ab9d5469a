namespace Peft.Tokenizers;

/// <summary>Splits a piece of text into tokens of a vocabulary. Thread-safe.</summary>
internal interface ITokenModel
{
    /// <summary>The tokens of a non-empty piece of text, with ranges in UTF-16 code units.</summary>
    IReadOnlyList<TextToken> Tokenize(string text);

    /// <summary>The vocabulary.</summary>
    Vocabulary Vocabulary { get; }
}
