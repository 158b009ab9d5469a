namespace Peft.Models;

/// <summary>A token that is found in the text before the model sees it.</summary>
/// <param name="Content">Its text.</param>
public sealed record AddedToken(string Content)
{
    /// <summary>Whether it stands only where no letter, digit or underscore touches it.</summary>
    public bool SingleWord { get; init; }

    /// <summary>Whether white space before it belongs to it.</summary>
    public bool StripLeft { get; init; }

    /// <summary>Whether white space after it belongs to it.</summary>
    public bool StripRight { get; init; }

    /// <summary>Whether it is looked for in the normalized text, in its own normalized form, instead of in the text as given.</summary>
    public bool Normalized { get; init; }

    /// <summary>Whether decoding leaves it out on request.</summary>
    public bool Special { get; init; }
}
