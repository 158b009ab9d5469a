namespace Peft.Models;

/// <summary>What turns a piece of text into tokens of a vocabulary. Safe for use from several threads.</summary>
internal interface ITokenModel
{
    /// <summary>Tokens of a piece of text that is not empty, with ranges in UTF-16 units.</summary>
    IReadOnlyList<TextToken> Tokenize(string text);

    /// <summary>The vocabulary.</summary>
    Vocabulary Vocabulary { get; }
}
