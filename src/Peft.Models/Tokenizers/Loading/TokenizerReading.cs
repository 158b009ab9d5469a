namespace Peft.Models;

/// <summary>The reading of one tokenizer: what it may hold, and how much of that was there already.</summary>
internal sealed class TokenizerReading(ResourceLimits limits)
{
    /// <summary>Where the limits are given, for messages.</summary>
    public const string WhereLimitsAre = $"{nameof(LoadOptions)}.{nameof(LoadOptions.Limits)} or the call that reads the tokenizer";

    int parts;

    public ResourceLimits Limits => limits;

    /// <summary>Counts a normalizer, pre-tokenizer, post-processor or decoder.</summary>
    public void CountPart()
    {
        if (++parts > limits.MaxTokenizerParts) throw TooMuch(limits, "The tokenizer", nameof(ResourceLimits.MaxTokenizerParts));
    }

    /// <summary>A text that a rule puts somewhere, or looks for.</summary>
    public string Text(JsonPart part) => Text(part, null);

    /// <summary>A text that a rule puts somewhere, or looks for; another one if it is absent.</summary>
    public string Text(JsonPart part, string? absent)
    {
        var text = absent is null ? part.AsString() : part.AsString(absent);
        return text.Length <= limits.MaxTokenLength ? text : throw TooMuch(limits, part.Path, nameof(ResourceLimits.MaxTokenLength));
    }

    /// <summary>A check for the tokens of a vocabulary, one after the other.</summary>
    /// <param name="path">Where they stand, for errors.</param>
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

    /// <summary>What is refused by a limit.</summary>
    public static TokenizerException TooMuch(ResourceLimits limits, string what, string limit) => new($"{what} has more than a tokenizer is allowed to. {limits.Remedy(limit, WhereLimitsAre)}");
}
