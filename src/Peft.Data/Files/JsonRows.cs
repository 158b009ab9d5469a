using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Data;

/// <summary>Reads JSON: an object a line, or a list of objects, perhaps in a field of an object.</summary>
internal static class JsonRows
{
    public static IEnumerable<DatasetRow> ReadLines(string path, Func<Stream> open) => JsonLines.Read(path, open).Select(each => new DatasetRow(each.Fields, each.Place));

    public static IEnumerable<DatasetRow> Read(string path, Func<Stream> open, string? field)
    {
        // Many files of this name have an object a line, as Hugging Face's datasets accepts them. A list is parsed row by row; an object is read whole.
        if (field is not null) return Field(path, open, field);
        return FirstCharacter(path, open) == '[' ? List(path, open) : HasLines(path, open) ? ReadLines(path, open) : Field(path, open, null);
    }

    private static IEnumerable<DatasetRow> List(string path, Func<Stream> open)
    {
        using var stream = NumberedLines.Guarded(path, open);
        using var rows = JsonSerializer.DeserializeAsyncEnumerable<JsonElement>(stream).ToBlockingEnumerable().GetEnumerator();
        for (var i = 0; Next(path, i, rows, out var row); i++) yield return Row(row, path, i);
    }

    private static bool Next(string path, int row, IEnumerator<JsonElement> rows, out JsonNode? value)
    {
        value = null;
        try
        {
            if (!NumberedLines.Guarded(path, rows.MoveNext)) return false;
            value = StrictJson.Value(rows.Current.GetRawText());
            return true;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)   // the latter for bytes that are not UTF-8
        {
            throw new DatasetException($"{path}, row {row} (counted from 0): not valid JSON ({error.Message}).", error);
        }
    }

    private static IEnumerable<DatasetRow> Field(string path, Func<Stream> open, string? field)
    {
        var root = NumberedLines.Guarded(path, () =>
        {
            using var stream = open();
            using var copy = new MemoryStream();
            stream.CopyTo(copy);
            return StrictJson.Object(copy.ToArray(), path, (message, inner) => new DatasetException(message, inner));
        });
        var lists = root.Where(each => each.Value is JsonArray).Select(each => each.Key).ToArray();
        field ??= lists is [var only] ? only
            : throw new DatasetException($"{path} is an object with {(lists.Length == 0 ? "no list" : $"the lists {string.Join(", ", lists)}")}: set {nameof(DatasetOptions)}.{nameof(DatasetOptions.JsonField)} to the one with the rows.");
        return root[field] is JsonArray rows ? rows.Select((row, i) => Row(row, path, i))
            : throw new DatasetException($"{path} has no list \"{field}\". Lists found: {(lists.Length == 0 ? "none" : string.Join(", ", lists))}.");
    }

    private static DatasetRow Row(JsonNode? value, string path, int i)
    {
        var place = $"{path}, row {i} (counted from 0)";
        return new(value as JsonObject ?? throw new DatasetException($"{place}: expected a JSON object, but found {value?.ToJsonString() ?? "null"}."), place);
    }

    private static int FirstCharacter(string path, Func<Stream> open) => NumberedLines.Guarded(path, () =>
    {
        using var reader = new StreamReader(open());
        int character;
        do character = reader.Read();
        while (character >= 0 && char.IsWhiteSpace((char)character));
        return character;
    });

    // True if the first line that is not blank is a whole value, and another follows.
    private static bool HasLines(string path, Func<Stream> open)
        => NumberedLines.Read(path, open).Where(line => !string.IsNullOrWhiteSpace(line.Text)).Take(2).ToArray() is [var first, _] && StrictJson.IsValue(first.Text);
}
