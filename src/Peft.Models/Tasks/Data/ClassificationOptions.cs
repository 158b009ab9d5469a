namespace Peft.Models;

/// <summary>Options of a <see cref="ClassificationDataset"/>.</summary>
public sealed record ClassificationOptions
{
    /// <summary>Name of the field with the text. Default <c>text</c>.</summary>
    public string TextField { get; init; } = "text";

    /// <summary>Name of the field with the second text of a pair; null for single texts.</summary>
    public string? PairField { get; init; }

    /// <summary>Name of the field with the label: a string or integer for one class, a list for several, a number for regression. Default <c>label</c>.</summary>
    public string LabelField { get; init; } = "label";

    /// <summary>
    /// The classes in the order of the model's outputs, such as <see cref="ClassificationDataset.Labels"/> of the training data; null for those that occur, sorted. Rows with
    /// other classes are rejected. An integer that is not a class name is a class id.
    /// </summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>The problem type; null to derive it from <see cref="Labels"/> or the rows: a list means multi-label, anything else single-label.</summary>
    public ProblemType? Problem { get; init; }

    /// <summary>Separator for several classes in a single string, as in a CSV file; null for none.</summary>
    public string? LabelSeparator { get; init; }

    /// <summary>Id that pads shorter rows; null for the tokenizer's padding token, or else its end-of-sequence token.</summary>
    public int? PadId { get; init; }

    /// <summary>Maximum number of tokens of a text or pair, special tokens included; null for the tokenizer's <see cref="Tokenizer.MaxLength"/>.</summary>
    public int? MaxLength { get; init; }

    /// <summary>True to truncate longer texts at the end (of a pair the longer text), with a count and a log entry; false to reject them. Default true.</summary>
    public bool Truncate { get; init; } = true;
}
