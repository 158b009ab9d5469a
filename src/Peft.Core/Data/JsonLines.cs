using System.Text.Json;
using Peft.Checkpoints;

namespace Peft;

/// <summary>Reads files with one JSON object per line.</summary>
internal static class JsonLines
{
    /// <summary>Applies a function to each line that is not blank.</summary>
    /// <exception cref="DatasetException">The file cannot be read, or a line is not a JSON object or lacks a field. The message names the file and line.</exception>
    public static List<T> Read<T>(string path, Func<JsonElement, int, T> parse)
    {
        var rows = new List<T>();
        var number = 0;
        try
        {
            foreach (var line in File.ReadLines(path))
            {
                number++;
                if (string.IsNullOrWhiteSpace(line)) continue;
                using var document = JsonFile.Parse(line);
                if (document.RootElement.ValueKind != JsonValueKind.Object)
                    throw new DatasetException($"{path}, line {number}: expected a JSON object, but found {Kind(document.RootElement)}.");
                rows.Add(parse(document.RootElement, number));
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)   // the latter for an unpaired surrogate
        {
            throw new DatasetException($"{path}, line {number}: not valid JSON ({e.Message}). Each line must be one JSON object.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DatasetException($"The file {path} cannot be read: {e.Message}", e);
        }
        return rows;
    }

    /// <summary>Reads a field that must be a string.</summary>
    public static string Text(JsonElement row, string field, string path, int line)
    {
        if (!row.TryGetProperty(field, out var value))
        {
            var found = string.Join(", ", row.EnumerateObject().Select(property => property.Name));
            throw new DatasetException($"{path}, line {line}: there is no field \"{field}\". Fields found: {(found.Length == 0 ? "none" : found)}.");
        }
        return value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : throw new DatasetException($"{path}, line {line}: field \"{field}\" must be a string, but is {Kind(value)}.");
    }

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => "an array",
        JsonValueKind.Object => "an object",
        JsonValueKind.Number => "a number",
        JsonValueKind.String => "a string",
        JsonValueKind.Null => "null",
        _ => "true or false",
    };
}
