using System.Text.Json.Nodes;
using nietras.SeparatedValues;

namespace Peft.Data;

/// <summary>Reads tables of separated values with a header. Every value is a string.</summary>
internal static class SeparatedRows
{
    // RFC 4180: quoted fields may contain separators, line breaks and doubled quotes. Tab-separated files have no quotes by their media type.
    public static IEnumerable<DatasetRow> Read(string path, Func<Stream> open, char separator)
    {
        using var reader = Guarded(path, () => Sep.New(separator).Reader(options => options with { Unescape = true, DisableQuotesParsing = separator == '\t' }).From(NumberedLines.Reader(open())));
        var names = reader.Header.ColNames;
        // The reader's rows are structs on its buffer, which an iterator cannot hold.
        while (Guarded(path, () => reader.MoveNext() ? Row(reader.Current, names, path, separator) : null) is { } row) yield return row;
    }

    private static DatasetRow Row(SepReader.Row row, IReadOnlyList<string> names, string path, char separator)
    {
        var place = $"{path}, line {row.LineNumberFrom}";
        if (separator == ',' && row.Span.Count('"') % 2 == 1) throw new DatasetException($"{place}: a quote is opened and not closed.");
        var fields = new JsonObject();
        for (var column = 0; column < names.Count; column++) fields.Add(names[column], row[column].ToString());
        return new(fields, place);
    }

    private static T Guarded<T>(string path, Func<T> read)
    {
        return NumberedLines.Guarded(path, () =>
        {
            try
            {
                return read();
            }
            catch (Exception error) when ((error is InvalidDataException or ArgumentException or NotSupportedException) && error is not System.Text.DecoderFallbackException)
            {
                throw new DatasetException($"{path} is not a table of separated values with a header: {error.Message}", error);
            }
        });
    }
}
