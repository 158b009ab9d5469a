using System.Globalization;

namespace Peft.Models;

/// <summary>A text with its target: one class, several classes, or a number.</summary>
public sealed record ClassificationRow
{
    /// <summary>A text with one class.</summary>
    /// <param name="text">The text.</param>
    /// <param name="label">Name of the class.</param>
    public ClassificationRow(string text, string label)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(label);
        (Text, Labels) = (text, [label]);
    }

    /// <summary>A text with one class, by its id.</summary>
    /// <param name="text">The text.</param>
    /// <param name="label">Id of the class, which is also its name if the classes have no others.</param>
    public ClassificationRow(string text, int label) : this(text, label.ToString(CultureInfo.InvariantCulture)) { }

    /// <summary>A text with any number of classes.</summary>
    /// <param name="text">The text.</param>
    /// <param name="labels">Names of the classes; may be empty.</param>
    public ClassificationRow(string text, IReadOnlyList<string> labels)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(labels);
        if (labels.Any(label => label is null)) throw new ArgumentException("A label is null.", nameof(labels));
        (Text, Labels, Problem) = (text, labels, ProblemType.MultiLabel);
    }

    /// <summary>A text with a number.</summary>
    /// <param name="text">The text.</param>
    /// <param name="value">The number.</param>
    public ClassificationRow(string text, double value)
    {
        ArgumentNullException.ThrowIfNull(text);
        (Text, Labels, Value, Problem) = (text, [], value, ProblemType.Regression);
    }

    /// <summary>The text; the first one of a pair.</summary>
    public string Text { get; init; }

    /// <summary>The second text of a pair, such as a hypothesis after its premise; null for none.</summary>
    public string? Pair { get; init; }

    /// <summary>Names of the classes.</summary>
    public IReadOnlyList<string> Labels { get; }

    /// <summary>The target value, for regression.</summary>
    public double Value { get; }

    /// <summary>The problem type.</summary>
    public ProblemType Problem { get; }
}

/// <summary>Options of a <see cref="ClassificationDataset"/>.</summary>
public sealed record ClassificationOptions
{
    /// <summary>Name of the field with the text. Default <c>text</c>.</summary>
    public string TextField { get; init; } = "text";

    /// <summary>Name of the field with the second text of a pair; null for single texts.</summary>
    public string? PairField { get; init; }

    /// <summary>Name of the field with the label: a string or whole number for one class, a list for several, a number for regression. Default <c>label</c>.</summary>
    public string LabelField { get; init; } = "label";

    /// <summary>
    /// The classes in the order of the model's outputs, such as <see cref="ClassificationDataset.Labels"/> of the training data; null for those that occur, sorted. Rows with
    /// other classes are rejected. A whole number that is not a name among them is the id of a class.
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
