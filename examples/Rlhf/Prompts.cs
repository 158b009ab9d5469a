using System.Text.Json.Nodes;

namespace Rlhf;

/// <summary>Beginnings of stories.</summary>
internal static class Prompts
{
    private static readonly string[] Names = ["Lily", "Tom", "Sue", "Ben", "Mia", "Max", "Anna", "Tim", "Sara", "Jack", "Lucy", "Sam"];

    private static readonly string[] Openings =
    [
        "Once upon a time, there was a child named {0}.", "One day, {0} went to the park.", "{0} had a big red ball.", "{0} saw a bird in a tree.", "{0} wanted to eat a cake.",
        "It was a cold day. {0} was at home.", "{0} was looking for a toy.", "{0} and a dog were in the garden.",
    ];

    private static readonly string[] UnseenOpenings = ["One day, {0} found a box.", "{0} liked to play with cars."];

    /// <summary>The prompts to train on.</summary>
    public static IReadOnlyList<string> Train { get; } = All(Openings);

    /// <summary>Prompts with other openings, to measure on.</summary>
    public static IReadOnlyList<string> Test { get; } = All(UnseenOpenings);

    /// <summary>A row of a dataset of prompts.</summary>
    public static JsonObject Row(string prompt) => new() { ["prompt"] = prompt };

    private static string[] All(string[] openings) => [.. openings.SelectMany(opening => Names.Select(name => string.Format(System.Globalization.CultureInfo.InvariantCulture, opening, name)))];
}
