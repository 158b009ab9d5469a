using System.Text;

namespace Peft.Data;

/// <summary>Reads text files: rows with the one column <c>text</c>.</summary>
internal static class TextRows
{
    public static IEnumerable<DatasetRow> Read(string path, Func<Stream> open, TextUnit unit) => unit switch
    {
        TextUnit.Line => NumberedLines.Read(path, open).Where(line => !string.IsNullOrWhiteSpace(line.Text)).Select(line => Row(line.Text, $"{path}, line {line.Number}")),
        TextUnit.Paragraph => Paragraphs(path, open),
        TextUnit.Document => Document(path, open),
        _ => throw new ArgumentOutOfRangeException(nameof(unit), unit, "This is not a unit of text."),
    };

    private static IEnumerable<DatasetRow> Paragraphs(string path, Func<Stream> open)
    {
        var (paragraph, first) = (new StringBuilder(), 0);
        foreach (var (line, number) in NumberedLines.Read(path, open).Append(("", 0)))
        {
            if (string.IsNullOrWhiteSpace(line))
            {
                if (paragraph.Length > 0) yield return Row(paragraph.ToString(), $"{path}, line {first}");
                paragraph.Clear();
                continue;
            }
            if (paragraph.Length == 0) first = number;
            else paragraph.Append('\n');
            paragraph.Append(line);
        }
    }

    private static IEnumerable<DatasetRow> Document(string path, Func<Stream> open)
    {
        var text = NumberedLines.Guarded(path, () =>
        {
            using var reader = NumberedLines.Reader(open());
            return reader.ReadToEnd();
        });
        if (!string.IsNullOrWhiteSpace(text)) yield return Row(text, path);
    }

    private static DatasetRow Row(string text, string place) => new(new() { ["text"] = text }, place);
}
