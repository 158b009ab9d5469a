using System.Globalization;
using System.Text.Json;
using Spectre.Console;

namespace IntentClassification;

/// <summary>Stores the outcomes of all methods in a file and shows them as a table and a plot.</summary>
internal static class Report
{
    private static readonly string[] Columns = ["method", "accuracy", "training, s", "peak memory, MB", "adapter, KB", "trainable"];

    private static string[] Cells(IGrouping<string, Outcome> runs) =>
    [
        runs.Key + (runs.Count() > 1 ? $" ({runs.Count()} seeds)" : ""), Text($"{runs.Average(run => run.Accuracy):F3}"), Text($"{runs.Average(run => run.Seconds):F0}"), Text($"{runs.Max(run => run.PeakMegabytes):F0}"),
        Text($"{runs.First().AdapterKilobytes:N0}"), Text($"{runs.First().Trainable:N0}"),
    ];

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>Adds an outcome to the file. It replaces an earlier one of the same method and seed.</summary>
    public static void Add(string file, Outcome outcome)
    {
        var others = Read(file).Where(each => (each.Method, each.Seed) != (outcome.Method, outcome.Seed));
        File.WriteAllLines(file, others.Append(outcome).Select(each => JsonSerializer.Serialize(each)));
    }

    public static void Show(string file)
    {
        var table = new Table();
        foreach (var column in Columns) table.AddColumn(column);
        foreach (var runs in Sorted(file)) table.AddRow([.. Cells(runs).Select(Markup.Escape)]);
        AnsiConsole.Write(table);
    }

    /// <summary>Writes the table between the markers in docs/intents.md, and the plot to docs/intents.svg.</summary>
    public static void WriteDocs(string file, string docs)
    {
        var page = Path.Combine(docs, "intents.md");
        var text = File.ReadAllText(page);
        const string begin = "<!-- results -->\n", end = "<!-- end of results -->";
        var (from, to) = (text.IndexOf(begin, StringComparison.Ordinal) + begin.Length, text.IndexOf(end, StringComparison.Ordinal));
        string[] rows = ["| " + string.Join(" | ", Columns) + " |", "|" + string.Join("|", Columns.Select((_, i) => i == 0 ? "---" : "---:")) + "|",
            .. Sorted(file).Select(runs => "| " + string.Join(" | ", Cells(runs)) + " |")];
        File.WriteAllText(page, text[..from] + string.Join("\n", rows) + "\n" + text[to..]);
        Plot(Sorted(file), Path.Combine(docs, "intents.svg"));
    }

    private static void Plot(IEnumerable<IGrouping<string, Outcome>> methods, string file)
    {
        using var plot = new ScottPlot.Plot();
        foreach (var runs in methods)
        {
            var (x, y) = (Math.Log10(runs.First().Trainable), runs.Average(run => run.Accuracy));
            plot.Add.Marker(x, y, ScottPlot.MarkerShape.FilledCircle, 9);
            var label = plot.Add.Text(runs.Key, x, y);
            (label.OffsetX, label.OffsetY) = (7, -7);
        }
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericManual([.. Enumerable.Range(4, 5).Select(power => new ScottPlot.Tick(power, Math.Pow(10, power).ToString("N0", CultureInfo.InvariantCulture)))]);
        plot.XLabel("trainable parameters");
        plot.YLabel("accuracy on 1,000 held-out texts");
        plot.Axes.SetLimitsX(4, 8);
        plot.SaveSvg(file, 900, 560);
    }

    private static IEnumerable<IGrouping<string, Outcome>> Sorted(string file) => Read(file).GroupBy(each => each.Method).OrderByDescending(runs => runs.Average(run => run.Accuracy));

    private static List<Outcome> Read(string file) => File.Exists(file) ? [.. File.ReadLines(file).Select(line => JsonSerializer.Deserialize<Outcome>(line)!)] : [];
}
