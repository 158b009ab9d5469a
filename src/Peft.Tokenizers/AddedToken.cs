namespace Peft;

/// <summary>A token that is matched in the text before the tokenizer's model runs.</summary>
/// <param name="Content">The token's text.</param>
public sealed record AddedToken(string Content)
{
    /// <summary>True to match only where no letter, digit or underscore is adjacent.</summary>
    public bool SingleWord { get; init; }

    /// <summary>True to include the preceding whitespace in the match.</summary>
    public bool StripLeft { get; init; }

    /// <summary>True to include the following whitespace in the match.</summary>
    public bool StripRight { get; init; }

    /// <summary>True to match its normalized form in the normalized text, false to match its content in the original text.</summary>
    public bool Normalized { get; init; }

    /// <summary>True for a special token, which decoding can skip.</summary>
    public bool Special { get; init; }
}
