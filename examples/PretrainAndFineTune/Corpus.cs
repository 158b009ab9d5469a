using System.Text.Json;

namespace PretrainAndFineTune;

/// <summary>The texts of the data sets in data/: what customers ask a bank, what people post, and mathematics at school.</summary>
internal static class Corpus
{
    /// <summary>The training texts, without their labels. No text of a test is among them.</summary>
    /// <param name="data">The folder with the data sets.</param>
    public static IReadOnlyList<string> Train(string data) =>
    [
        .. Rows(data, "banking77", "train").Select(row => row.GetProperty("text").GetString()!),
        .. Rows(data, "wnut17", "train").Select(row => string.Join(' ', row.GetProperty("tokens").EnumerateArray().Select(word => word.GetString()))),
        .. Rows(data, "gsm8k", "train").Select(row => row.GetProperty("prompt").GetString() + "\n" + row.GetProperty("completion").GetString()),
    ];

    /// <summary>The rows of a file in JSON Lines.</summary>
    public static IEnumerable<JsonElement> Rows(string data, string set, string part) => File.ReadLines(Path.Combine(data, set, part + ".jsonl")).Select(line => JsonSerializer.Deserialize<JsonElement>(line));
}
