namespace Peft.Models;

/// <summary>Options of a <see cref="TaggingDataset"/>.</summary>
public sealed record TaggingOptions
{
    /// <summary>Name of the field with the words: a list, or a string that is split at whitespace. Default <c>tokens</c>.</summary>
    public string WordsField { get; init; } = "tokens";

    /// <summary>Name of the field with the tags: a list of strings or integers, or a string that is split at whitespace. Default <c>tags</c>.</summary>
    public string TagsField { get; init; } = "tags";

    /// <summary>
    /// The tags in the order of the model's outputs, such as <see cref="TaggingDataset.Labels"/> of the training data; null for those that occur, sorted, <c>O</c> first. Rows with
    /// other tags are rejected. An integer that is not a tag name is a tag id.
    /// </summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>Maximum number of tokens of a sentence, special tokens included; null for the tokenizer's <see cref="Tokenizer.MaxLength"/>.</summary>
    public int? MaxLength { get; init; }

    /// <summary>True to truncate longer sentences at the end, with a count and a log entry; false to reject them. Default true.</summary>
    public bool Truncate { get; init; } = true;
}
