namespace Peft.Models;

/// <summary>The classification of a text.</summary>
/// <param name="Scores">All classes, most probable first. Probabilities sum to 1 for single-label problems, and are independent for multi-label ones.</param>
/// <param name="IsTruncated">True if the text was longer than the maximum length and was truncated.</param>
public sealed record Classification(IReadOnlyList<LabelProbability> Scores, bool IsTruncated = false)
{
    /// <summary>All classes, most probable first.</summary>
    public IReadOnlyList<LabelProbability> Scores { get; init; } = Scores is { Count: > 0 } ? Scores : throw new ArgumentException("There must be at least one class.", nameof(Scores));

    /// <summary>The most probable class.</summary>
    public string Label => Scores[0].Label;

    /// <summary>The probability of <see cref="Label"/>.</summary>
    public double Probability => Scores[0].Probability;

    /// <summary>The classes with at least this probability. For multi-label problems, 0.5 is the threshold that evaluation uses.</summary>
    public IEnumerable<string> LabelsFrom(double probability) => Scores.TakeWhile(score => score.Probability >= probability).Select(score => score.Label);

    /// <summary>The most probable class with its probability.</summary>
    public override string ToString() => FormattableString.Invariant($"{Label} ({Probability:P1})");
}
