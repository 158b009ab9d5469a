using System.Globalization;

namespace Peft.Models;

/// <summary>A text and what is to be learned of it: a class, several, or a number.</summary>
public sealed record ClassificationRow
{
    /// <summary>A text of one class.</summary>
    /// <param name="text">The text.</param>
    /// <param name="label">Name of its class.</param>
    public ClassificationRow(string text, string label)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(label);
        (Text, Labels) = (text, [label]);
    }

    /// <summary>A text of one class, by its number.</summary>
    /// <param name="text">The text.</param>
    /// <param name="label">Number of its class; its name where the classes have no others.</param>
    public ClassificationRow(string text, int label) : this(text, label.ToString(CultureInfo.InvariantCulture)) { }

    /// <summary>A text of any number of classes.</summary>
    /// <param name="text">The text.</param>
    /// <param name="labels">Names of its classes; it may be of none.</param>
    public ClassificationRow(string text, IReadOnlyList<string> labels)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(labels);
        if (labels.Any(label => label is null)) throw new ArgumentException("A label is null.", nameof(labels));
        (Text, Labels, Problem) = (text, labels, ProblemType.MultiLabel);
    }

    /// <summary>A text and a number.</summary>
    /// <param name="text">The text.</param>
    /// <param name="value">The number.</param>
    public ClassificationRow(string text, double value)
    {
        ArgumentNullException.ThrowIfNull(text);
        (Text, Labels, Value, Problem) = (text, [], value, ProblemType.Regression);
    }

    /// <summary>The text; of a pair the first.</summary>
    public string Text { get; init; }

    /// <summary>The second text of a pair, such as a hypothesis after its premise; null for none.</summary>
    public string? Pair { get; init; }

    /// <summary>Names of its classes.</summary>
    public IReadOnlyList<string> Labels { get; }

    /// <summary>The number, where one is to be learned.</summary>
    public double Value { get; }

    /// <summary>What is learned of it.</summary>
    public ProblemType Problem { get; }
}

/// <summary>Settings of a <see cref="ClassificationDataset"/>.</summary>
public sealed record ClassificationOptions
{
    /// <summary>Name of the field with the text. <c>text</c>.</summary>
    public string TextField { get; init; } = "text";

    /// <summary>Name of the field with the second text of a pair; null for single texts.</summary>
    public string? PairField { get; init; }

    /// <summary>Name of the field with the label: a text or whole number for one class, a list for several, a number in regression. <c>label</c>.</summary>
    public string LabelField { get; init; } = "label";

    /// <summary>
    /// The classes in the order of the model's outputs, such as <see cref="ClassificationDataset.Labels"/> of the training data; null for those that occur, sorted. A row of
    /// another class is refused. A whole number that is no name among them is the number of a class.
    /// </summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>What is learned; null for what <see cref="Labels"/> or the rows say: a list means several classes, anything else one.</summary>
    public ProblemType? Problem { get; init; }

    /// <summary>What stands between the classes of a row where a field lists several in one text, as in a CSV file; null for nothing.</summary>
    public string? LabelSeparator { get; init; }

    /// <summary>Id that fills up shorter rows; null for the tokenizer's padding token, or else its end of sequence.</summary>
    public int? PadId { get; init; }

    /// <summary>Most tokens of a text or pair, special ones included; null for the tokenizer's <see cref="Tokenizer.MaxLength"/>.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Whether longer texts are cut at the end (of a pair the longer text), counted and logged, or refused. True.</summary>
    public bool Truncate { get; init; } = true;
}
