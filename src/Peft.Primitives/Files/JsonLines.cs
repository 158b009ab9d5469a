using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft;

/// <summary>Reads files with one JSON object per line.</summary>
internal static class JsonLines
{
    /// <summary>Reads the objects of all lines that are not blank, during enumeration, with their positions for error messages.</summary>
    /// <exception cref="DatasetException">The file cannot be read, or a line is not a JSON object. The message names the file and line.</exception>
    public static IEnumerable<(JsonObject Fields, string Place)> Read(string path, Func<Stream>? open = null)
    {
        foreach (var (line, number) in NumberedLines.Read(path, open))
        {
            if (string.IsNullOrWhiteSpace(line)) continue;
            var place = $"{path}, line {number}";
            yield return (Parse(line, place), place);
        }
    }

    /// <summary>Reads a field that must be a string.</summary>
    public static string Text(JsonObject row, string field, string place)
        => !row.TryGetPropertyValue(field, out var value) ? throw new DatasetException($"{place}: there is no field \"{field}\". Fields found: {(row.Count == 0 ? "none" : string.Join(", ", row.Select(each => each.Key)))}.")
            : value is JsonValue text && text.TryGetValue<string>(out var found) ? found
            : throw new DatasetException($"{place}: field \"{field}\" must be a string, but is {Kind(value)}.");

    private static JsonObject Parse(string line, string place)
    {
        try
        {
            return StrictJson.Value(line) is var value && value is JsonObject row ? row : throw new DatasetException($"{place}: expected a JSON object, but found {Kind(value)}.");
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new DatasetException($"{place}: not valid JSON ({error.Message}). Each line must be one JSON object.", error);
        }
    }

    private static string Kind(JsonNode? value) => value?.GetValueKind() switch
    {
        JsonValueKind.Array => "an array",
        JsonValueKind.Object => "an object",
        JsonValueKind.Number => "a number",
        JsonValueKind.String => "a string",
        null => "null",
        _ => "true or false",
    };
}
