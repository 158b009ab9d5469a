namespace Peft.Tokenizers;

/// <summary>Settings of byte-pair encoding, named as in <c>tokenizer.json</c>.</summary>
internal sealed record BpeOptions
{
    /// <summary>The token for characters that are not in the vocabulary; null to drop them.</summary>
    public string? UnknownToken { get; init; }

    /// <summary>Prefix of every character of a word except the first.</summary>
    public string ContinuingSubwordPrefix { get; init; } = "";

    /// <summary>Suffix of the last character of a word.</summary>
    public string EndOfWordSuffix { get; init; } = "";

    /// <summary>True to fuse adjacent unknown characters into a single token.</summary>
    public bool FuseUnknown { get; init; }

    /// <summary>True to replace characters that are not in the vocabulary by byte tokens of their UTF-8 encoding.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>True to use a word that is in the vocabulary as a single token, regardless of the merges.</summary>
    public bool IgnoreMerges { get; init; }
}
