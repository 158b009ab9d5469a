namespace Peft;

/// <summary>Two texts side by side, such as a model's output before and after training. A notebook highlights the words that differ.</summary>
/// <param name="Before">The first text.</param>
/// <param name="After">The second text.</param>
[TypeFormatterSource(typeof(TextComparisonDisplay))]
public sealed record TextComparison(string Before, string After)
{
    /// <summary>Heading of the first text.</summary>
    public string BeforeTitle { get; init; } = "before";

    /// <summary>Heading of the second text.</summary>
    public string AfterTitle { get; init; } = "after";
}
