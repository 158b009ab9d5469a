namespace Peft;

/// <summary>Two texts side by side, such as what a model writes before and after its training. A notebook marks the words in which they differ.</summary>
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
