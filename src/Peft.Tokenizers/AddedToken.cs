namespace Peft;

/// <summary>A token that is matched in the text before the model runs.</summary>
/// <param name="Content">The token's text.</param>
public sealed record AddedToken(string Content)
{
    /// <summary>True if it only matches where no letter, digit or underscore is adjacent.</summary>
    public bool SingleWord { get; init; }

    /// <summary>True if it includes the whitespace before it.</summary>
    public bool StripLeft { get; init; }

    /// <summary>True if it includes the whitespace after it.</summary>
    public bool StripRight { get; init; }

    /// <summary>True if its normalized form is matched in the normalized text, false if its text is matched in the original text.</summary>
    public bool Normalized { get; init; }

    /// <summary>True if decoding can skip it.</summary>
    public bool Special { get; init; }
}
