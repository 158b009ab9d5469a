using System.Text.Json;
using nietras.SeparatedValues;

namespace Peft.Models;

/// <summary>Reads the rows of a file: CSV with a header for <c>.csv</c>, tab-separated values for <c>.tsv</c>, otherwise JSON Lines.</summary>
internal static class DataFile
{
    /// <exception cref="DatasetException">The file cannot be read, or a row is invalid. The message names it.</exception>
    public static List<DataRow> Read(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return Path.GetExtension(path).ToUpperInvariant() switch
        {
            ".CSV" => Separated(path, ','),
            ".TSV" => Separated(path, '\t'),
            _ => JsonLines.Read(path, (row, line) => new DataRow($"{path}, line {line}", Fields(row, path, line))),
        };
    }

    private static Dictionary<string, JsonElement> Fields(JsonElement row, string path, int line)
    {
        var fields = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var field in row.EnumerateObject())
            if (!fields.TryAdd(field.Name, field.Value.Clone())) throw new DatasetException($"{path}, line {line}: duplicate field \"{field.Name}\".");
        return fields;
    }

    // RFC 4180: quoted fields may contain separators, line breaks and doubled quotes. Tab-separated files have no quotes by their media type.
    private static List<DataRow> Separated(string path, char separator)
    {
        var rows = new List<DataRow>();
        try
        {
            using var reader = Sep.New(separator).Reader(options => options with { Unescape = true, DisableQuotesParsing = separator == '\t' }).FromFile(path);
            var names = reader.Header.ColNames;
            foreach (var row in reader)
            {
                var place = $"{path}, line {row.LineNumberFrom}";
                if (row.Span.Contains('"') && separator == ',' && HasOpenQuote(row.Span)) throw new DatasetException($"{place}: a quote is opened and not closed.");
                var fields = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
                for (var column = 0; column < names.Count; column++) fields.Add(names[column], JsonSerializer.SerializeToElement(row[column].ToString()));
                rows.Add(new(place, fields));
            }
            return rows;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DatasetException($"The file {path} cannot be read: {error.Message}", error);
        }
        catch (Exception error) when (error is InvalidDataException or ArgumentException or NotSupportedException)
        {
            throw new DatasetException($"{path} is not a table of separated values with a header: {error.Message}", error);
        }
    }

    // Quotes must come in pairs, doubled ones included.
    private static bool HasOpenQuote(ReadOnlySpan<char> row) => row.Count('"') % 2 == 1;
}
