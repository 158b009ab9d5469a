using System.Globalization;

namespace Peft.Models;

/// <summary>A text with its target: one class, several classes, or a value.</summary>
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
    /// <param name="label">Id of the class, and its name if the classes have no names.</param>
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

    /// <summary>A text with a value, for regression.</summary>
    /// <param name="text">The text.</param>
    /// <param name="value">The value.</param>
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
