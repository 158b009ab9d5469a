using System.ComponentModel;
using System.Globalization;

namespace Peft.Models;

/// <summary>
/// What files of strangers may cost in depth, time and memory: configurations, tokenizers, chat templates, listings of the hub. Each limit is far above
/// what published models need. What exceeds one ends in the exception of its kind, which names the limit, its value, and where to raise it.
/// </summary>
[TypeConverter(typeof(TextConverter<ResourceLimits>))]
public sealed record ResourceLimits
{
    /// <summary>The limits that hold unless others are given.</summary>
    public static ResourceLimits Default { get; } = new();

    /// <summary>Size of <c>config.json</c> and <c>generation_config.json</c> in bytes. 8 MiB; the largest, with the names of 21,841 classes, have 2.</summary>
    public long MaxConfigBytes { get; init; } = 8 << 20;

    /// <summary>Layers of a model, or of each half of an encoder with a decoder. 1,024.</summary>
    public int MaxLayers { get; init; } = 1024;

    /// <summary>Classes of a classification head. 1,000,000.</summary>
    public int MaxLabels { get; init; } = 1_000_000;

    /// <summary>Size of each of a tokenizer's files in bytes. 128 MiB; the largest published ones have 35.</summary>
    public long MaxTokenizerBytes { get; init; } = 128 << 20;

    /// <summary>Tokens of a vocabulary, or its merges, or its added tokens. 2,000,000; the largest published vocabularies have 262,144 tokens.</summary>
    public int MaxTokens { get; init; } = 2_000_000;

    /// <summary>Characters of a token, of an affix, or of what a tokenizer's rule puts into a text. 4,096.</summary>
    public int MaxTokenLength { get; init; } = 4096;

    /// <summary>Characters of all tokens of a vocabulary together. 16,777,216; the largest published ones have 2 million.</summary>
    public int MaxVocabularyCharacters { get; init; } = 1 << 24;

    /// <summary>Normalizers, pre-tokenizers, post-processors and decoders of a tokenizer, all together. 100.</summary>
    public int MaxTokenizerParts { get; init; } = 100;

    /// <summary>Entries of a tokenizer's template for one text or two: special tokens, and places where a text goes. 100; most have 3 or 4.</summary>
    public int MaxTemplateEntries { get; init; } = 100;

    /// <summary>Characters of a regular expression. 4,096.</summary>
    public int MaxPatternLength { get; init; } = 4096;

    /// <summary>
    /// How long the regular expressions of a tokenizer may search one text; a text of more than a million characters has a second more for each
    /// further million. 2 seconds. Those of published tokenizers take some microseconds a word.
    /// </summary>
    public TimeSpan MaxPatternTime { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How many characters, for each of its own and beyond the first million, a tokenizer may make of a text or of tokens, all steps together. 50;
    /// published ones make fewer than 15.
    /// </summary>
    public int MaxTextGrowth { get; init; } = 50;

    /// <summary>Characters of a chat template. 1,048,576; the largest published ones have 100,000.</summary>
    public int MaxTemplateLength { get; init; } = 1 << 20;

    /// <summary>Expressions, blocks and calls of a chat template within each other. 200.</summary>
    public int MaxTemplateDepth { get; init; } = 200;

    /// <summary>
    /// What a rendering may do: expressions and statements that are evaluated, items that are gone through, and one for each 128 characters or items that are
    /// searched. 2,000,000; a conversation of 100 messages takes some thousands.
    /// </summary>
    public long MaxTemplateSteps { get; init; } = 2_000_000;

    /// <summary>Bytes that a rendering may make in texts (2 a character) and lists (32 an item), what it drops again included. 512 MiB.</summary>
    public long MaxTemplateMemory { get; init; } = 512 << 20;

    /// <summary>Size of the hub's list of a repository's files in bytes. 32 MiB, some 100,000 files.</summary>
    public long MaxListingBytes { get; init; } = 32 << 20;

    /// <summary>What to do about a limit that is exceeded, for the end of an error's message.</summary>
    /// <param name="name">The limit.</param>
    /// <param name="where">Where limits are given.</param>
    internal string Remedy(string name, string where)
    {
        var value = GetType().GetProperty(name)!.GetValue(this);
        return string.Create(CultureInfo.InvariantCulture, $"The limit {nameof(ResourceLimits)}.{name} is {(value is TimeSpan ? $"{value}" : $"{value:N0}")}: raise it in {where} if you trust the file.");
    }
}
