using System.Globalization;
using System.Text.Json;

namespace Peft.Models;

/// <summary>A row of a file: its fields, and its position for errors.</summary>
/// <param name="Place">The position, such as <c>train.csv, line 3</c>.</param>
/// <param name="Fields">Values by name; in a CSV file all are strings.</param>
internal sealed record DataRow(string Place, IReadOnlyDictionary<string, JsonElement> Fields)
{
    public DataRow(DatasetRow row) : this(row.Place, row.Fields.ToDictionary(each => each.Key, each => JsonSerializer.SerializeToElement(each.Value), StringComparer.Ordinal)) { }

    public DatasetException Error(string what) => new($"{Place}: {what}");

    /// <summary>A required field.</summary>
    /// <exception cref="DatasetException">The field is missing. The message lists the existing fields.</exception>
    public JsonElement Get(string field)
        => Fields.TryGetValue(field, out var value) ? value
            : throw Error($"there is no field \"{field}\". Fields found: {(Fields.Count == 0 ? "none" : string.Join(", ", Fields.Keys))}.");

    /// <summary>A required string.</summary>
    public string Text(string field) => Text(Get(field), field);

    /// <summary>A class name: a string, or an integer, true or false converted to a string.</summary>
    public string Name(string field) => Name(Get(field), field);

    /// <summary>A required list of names, or a string that is split at the separator, or at whitespace without one.</summary>
    public IReadOnlyList<string> Names(string field, string? separator = null)
    {
        var value = Get(field);
        return value.ValueKind switch
        {
            JsonValueKind.Array => [.. value.EnumerateArray().Select(each => Name(each, field))],
            JsonValueKind.String when separator is null => Text(value, field).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries),
            JsonValueKind.String => Text(value, field).Split(separator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
            _ => throw Error($"field \"{field}\" must be a list or a string, but is {Kind(value)}."),
        };
    }

    /// <summary>A required number; may be a string.</summary>
    public double Number(string field)
    {
        var value = Get(field);
        var found = value.ValueKind switch
        {
            JsonValueKind.Number when value.TryGetDouble(out var number) => number,
            JsonValueKind.String when double.TryParse(Text(value, field), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) => number,
            _ => double.NaN,
        };
        return double.IsFinite(found) ? found : throw Error($"field \"{field}\" must be a number, but is {Kind(value)}.");
    }

    /// <summary>The fields of a nested object.</summary>
    public DataRow Inside(string field)
    {
        var inner = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var each in Get(field).EnumerateObject())
            if (!inner.TryAdd(each.Name, each.Value)) throw Error($"field \"{field}\" has \"{each.Name}\" twice.");
        return new($"{Place}, field \"{field}\"", inner);
    }

    /// <summary>A required list of strings.</summary>
    public IReadOnlyList<string> Texts(string field) => [.. List(field).Select(each => Text(each, field))];

    /// <summary>A required list of integers.</summary>
    public IReadOnlyList<int> Integers(string field)
        => [.. List(field).Select(each => each.ValueKind == JsonValueKind.Number && each.TryGetInt32(out var number) ? number : throw Error($"field \"{field}\" must be integers, but has {each.GetRawText()}."))];

    private JsonElement.ArrayEnumerator List(string field)
        => Get(field) is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray() : throw Error($"field \"{field}\" must be a list, but is {Kind(Get(field))}.");

    private string Name(JsonElement value, string field) => value.ValueKind switch
    {
        JsonValueKind.Number when value.TryGetInt64(out var number) => number.ToString(CultureInfo.InvariantCulture),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        JsonValueKind.Number => throw Error($"field \"{field}\" is {value.GetRawText()}, which is not a class name. For regression, set Problem to {nameof(ProblemType)}.{ProblemType.Regression}."),
        _ => Text(value, field),
    };

    private string Text(JsonElement value, string field)
    {
        if (value.ValueKind != JsonValueKind.String) throw Error($"field \"{field}\" must be a string, but is {Kind(value)}.");
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException error)
        {
            throw new DatasetException($"{Place}: field \"{field}\" is not valid text: {error.Message}", error);   // half a surrogate pair
        }
    }

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => "a list",
        JsonValueKind.Object => "an object",
        JsonValueKind.Number => "a number",
        JsonValueKind.String => $"the string \"{value.GetRawText().Trim('"')}\"",
        JsonValueKind.Null => "null",
        _ => "true or false",
    };
}
