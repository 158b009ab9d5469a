namespace Peft.Models;

/// <summary>The words of a sentence with a tag for each.</summary>
/// <param name="Words">The words.</param>
/// <param name="Tags">One tag per word, such as <c>B-location</c>, <c>I-location</c> and <c>O</c>.</param>
public sealed record TaggingRow(IReadOnlyList<string> Words, IReadOnlyList<string> Tags);
