using Spectre.Console;

namespace Examples;

/// <summary>A table of results, for the console and for a page in docs/.</summary>
/// <param name="columns">Headings. The first column is text, the others are numbers.</param>
/// <param name="rows">The cells of each row.</param>
internal sealed class ResultsTable(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows)
{
    private readonly List<IReadOnlyList<string>> rows = [.. rows];

    public void Show()
    {
        var table = new Table();
        foreach (var column in columns) table.AddColumn(column);
        foreach (var row in rows) table.AddRow([.. row.Select(Markup.Escape)]);
        AnsiConsole.Write(table);
    }

    /// <summary>Writes the table into a page, between the lines <c>&lt;!-- name --&gt;</c> and <c>&lt;!-- end of name --&gt;</c>.</summary>
    public void WriteTo(string page, string name = "results") => Page.Write(page, name,
    [
        "| " + string.Join(" | ", columns) + " |", "|" + string.Join("|", columns.Select((_, i) => i == 0 ? "---" : "---:")) + "|",
        .. rows.Select(row => "| " + string.Join(" | ", row) + " |"),
    ]);
}
