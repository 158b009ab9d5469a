using System.ComponentModel;
using System.Globalization;

namespace Peft;

/// <summary>
/// Limits on depth, time and memory for untrusted files: configurations, tokenizers, chat templates, file listings of the hub. Each limit is far above
/// the needs of published models. Exceeding one throws the exception of the reader, which names the limit, its value, and where to raise it.
/// </summary>
[TypeConverter(typeof(TextConverter<ResourceLimits>))]
public sealed record ResourceLimits
{
    /// <summary>The default limits.</summary>
    public static ResourceLimits Default { get; } = new();

    /// <summary>Maximum size of <c>config.json</c> and <c>generation_config.json</c> in bytes. Default 8 MiB; the largest published one, with 21,841 class names, takes 2 MiB.</summary>
    public long MaxConfigBytes { get; init; } = 8 << 20;

    /// <summary>Maximum number of layers of a model, or of the encoder and of the decoder each. Default 1,024.</summary>
    public int MaxLayers { get; init; } = 1024;

    /// <summary>Maximum number of classes of a classification head. Default 1,000,000.</summary>
    public int MaxLabels { get; init; } = 1_000_000;

    /// <summary>Maximum size of each tokenizer file in bytes. Default 128 MiB; the largest published ones take 35 MiB.</summary>
    public long MaxTokenizerBytes { get; init; } = 128 << 20;

    /// <summary>Maximum number of tokens, of merges, and of added tokens of a vocabulary. Default 2,000,000; the largest published vocabularies have 262,144 tokens.</summary>
    public int MaxTokens { get; init; } = 2_000_000;

    /// <summary>Maximum number of characters of a token, of an affix, or of a string that a tokenizer's rule inserts. Default 4,096.</summary>
    public int MaxTokenLength { get; init; } = 4096;

    /// <summary>Maximum total number of characters of a vocabulary's tokens. Default 16,777,216; the largest published ones have 2 million.</summary>
    public int MaxVocabularyCharacters { get; init; } = 1 << 24;

    /// <summary>Maximum number of normalizers, pre-tokenizers, post-processors and decoders of a tokenizer in total. Default 100.</summary>
    public int MaxTokenizerParts { get; init; } = 100;

    /// <summary>Maximum number of entries (special tokens and sequences) of a tokenizer's template for a single text or a pair. Default 100; most have 3 or 4.</summary>
    public int MaxTemplateEntries { get; init; } = 100;

    /// <summary>Maximum number of characters of a regular expression. Default 4,096.</summary>
    public int MaxPatternLength { get; init; } = 4096;

    /// <summary>
    /// Maximum time that a tokenizer's regular expressions may take for one text, plus one second for each million characters.
    /// Default 2 seconds. Published tokenizers take some microseconds per word.
    /// </summary>
    public TimeSpan MaxPatternTime { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Maximum number of characters that all steps of a tokenizer together may produce for each character of the input, plus one million in total. Default 50;
    /// published ones produce fewer than 15.
    /// </summary>
    public int MaxTextGrowth { get; init; } = 50;

    /// <summary>Maximum number of characters of a chat template. Default 1,048,576; the largest published ones have 100,000.</summary>
    public int MaxTemplateLength { get; init; } = 1 << 20;

    /// <summary>Maximum nesting depth of expressions, blocks and calls of a chat template. Default 200.</summary>
    public int MaxTemplateDepth { get; init; } = 200;

    /// <summary>
    /// Maximum number of steps of a rendering: expressions and statements evaluated, loop iterations, and one step for every 128 characters or items
    /// searched. Default 2,000,000; a conversation of 100 messages takes some thousands.
    /// </summary>
    public long MaxTemplateSteps { get; init; } = 2_000_000;

    /// <summary>Maximum number of bytes that a rendering may allocate for strings (2 per character) and lists (32 per item), including garbage. Default 512 MiB.</summary>
    public long MaxTemplateMemory { get; init; } = 512 << 20;

    /// <summary>Maximum size of the hub's list of a repository's files in bytes. Default 32 MiB, about 100,000 files.</summary>
    public long MaxListingBytes { get; init; } = 32 << 20;

    /// <summary>Returns the sentence that ends an error message: how to raise the exceeded limit.</summary>
    /// <param name="name">Name of the limit.</param>
    /// <param name="where">The option that sets the limits.</param>
    internal string Remedy(string name, string where)
    {
        var value = GetType().GetProperty(name)!.GetValue(this);
        return string.Create(CultureInfo.InvariantCulture, $"The limit {nameof(ResourceLimits)}.{name} is {(value is TimeSpan ? $"{value}" : $"{value:N0}")}: raise it in {where} if you trust the file.");
    }
}
