namespace Peft.Tokenizers;

/// <summary>Checks a tokenizer against the limits while it is read.</summary>
internal sealed class TokenizerReading(ResourceLimits limits)
{
    /// <summary>Where the limits are set, for error messages.</summary>
    public const string WhereLimitsAre = $"{nameof(PretrainedOptions)}.{nameof(PretrainedOptions.Limits)} or the call that reads the tokenizer";

    private int parts;

    public ResourceLimits Limits => limits;

    /// <summary>Counts a normalizer, pre-tokenizer, post-processor or decoder.</summary>
    public void CountPart()
    {
        if (++parts > limits.MaxTokenizerParts) throw TooMuch(limits, "The tokenizer", nameof(ResourceLimits.MaxTokenizerParts));
    }

    /// <summary>A string that a rule inserts or searches for.</summary>
    public string Text(JsonPart part) => Text(part, null);

    /// <summary>A string that a rule inserts or searches for; a default if it is missing.</summary>
    public string Text(JsonPart part, string? absent)
    {
        var text = absent is null ? part.AsString() : part.AsString(absent);
        return text.Length <= limits.MaxTokenLength ? text : throw TooMuch(limits, part.Path, nameof(ResourceLimits.MaxTokenLength));
    }

    /// <summary>Creates a check to call for each token of a vocabulary.</summary>
    /// <param name="path">Path of the vocabulary, for errors.</param>
    public Action<string> Tokens(string path)
    {
        var (count, characters) = (0, 0L);
        return token =>
        {
            if (++count > limits.MaxTokens) throw TooMuch(limits, path, nameof(ResourceLimits.MaxTokens));
            if (token.Length > limits.MaxTokenLength) throw TooMuch(limits, $"{path}: token {count - 1}", nameof(ResourceLimits.MaxTokenLength));
            if ((characters += token.Length) > limits.MaxVocabularyCharacters) throw TooMuch(limits, path, nameof(ResourceLimits.MaxVocabularyCharacters));
        };
    }

    /// <summary>The exception for an exceeded limit.</summary>
    public static TokenizerException TooMuch(ResourceLimits limits, string what, string limit) => new($"{what} exceeds a limit of tokenizers. {limits.Remedy(limit, WhereLimitsAre)}");
}
