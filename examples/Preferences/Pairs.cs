using System.Text.Json.Nodes;

namespace Preferences;

/// <summary>Problems with a right and a wrong solution (gsm8k-preferences).</summary>
internal static class Pairs
{
    /// <summary>Reads a file. The solution begins on the line after the problem.</summary>
    /// <param name="data">The folder with the data sets.</param>
    /// <param name="part"><c>train</c> or <c>test</c>.</param>
    public static IReadOnlyList<JsonObject> Read(string data, string part) => [.. Rows(data, "gsm8k-preferences", part)];

    /// <summary>Problems with their solutions, for supervised fine-tuning (gsm8k). None is among the pairs.</summary>
    public static IReadOnlyList<JsonObject> Solutions(string data) => [.. Rows(data, "gsm8k", "train")];

    /// <summary>The share of pairs whose chosen solution is the longer one; what a reward model must beat.</summary>
    public static double LongerIsChosen(IReadOnlyCollection<JsonObject> pairs) => pairs.Average(pair => Text(pair, "chosen").Length.CompareTo(Text(pair, "rejected").Length) / 2.0 + 0.5);

    private static string Text(JsonObject pair, string field) => (string)pair[field]!;

    private static IEnumerable<JsonObject> Rows(string data, string set, string part) => File.ReadLines(Path.Combine(data, set, part + ".jsonl")).Select(line =>
    {
        var row = JsonNode.Parse(line)!.AsObject();
        row["prompt"] = Text(row, "prompt") + "\n";
        return row;
    });
}
