using System.Globalization;
using Spectre.Console;

namespace Peft.Cli;

/// <summary>Tables and numbers as people read them.</summary>
internal static class Show
{
    private static readonly string[] Sizes = ["B", "KB", "MB", "GB", "TB"];

    /// <summary>A table of names and values; without a value, a row is left out.</summary>
    public static void Fields(this IAnsiConsole console, params (string Name, object? Value)[] fields)
    {
        var grid = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(3)).AddColumn();
        foreach (var (name, value) in fields)
            if (value is not null) grid.AddRow(new Text(name, new Style(decoration: Decoration.Dim)), new Text(Convert.ToString(value, CultureInfo.InvariantCulture)!));
        console.Write(grid);
    }

    /// <summary>A table; columns whose name begins with <c>&gt;</c> are right-aligned.</summary>
    public static void Rows(this IAnsiConsole console, string[] columns, IEnumerable<string?[]> rows)
    {
        var table = new Table().Border(TableBorder.Simple);
        foreach (var column in columns) table.AddColumn(new TableColumn(new Text(column.TrimStart('>'))) { Alignment = column.StartsWith('>') ? Justify.Right : Justify.Left });
        foreach (var row in rows) table.AddRow(row.Select(cell => new Text(cell ?? "")));
        console.Write(table);
    }

    public static string Bytes(double value)
    {
        var unit = 0;
        for (; value >= 1024 && unit < Sizes.Length - 1; unit++) value /= 1024;
        return value.ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture) + " " + Sizes[unit];
    }

    public static string Number(double value) => value.ToString("G4", CultureInfo.InvariantCulture);

    public static string Count(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    public static string Percent(double share) => (share * 100).ToString("G3", CultureInfo.InvariantCulture) + " %";

    public static string Time(TimeSpan time) => time.TotalHours >= 1 ? time.ToString(@"h\:mm\:ss", CultureInfo.InvariantCulture) : time.ToString(@"m\:ss", CultureInfo.InvariantCulture);

    /// <summary>The path of a folder or file as a user would type it in a shell.</summary>
    public static string Quoted(string text) => text.Length > 0 && text.All(letter => char.IsAsciiLetterOrDigit(letter) || "_-./:=,@+".Contains(letter, StringComparison.Ordinal)) ? text : "'" + text.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
}
