using System.Globalization;
using Spectre.Console;

namespace CompareMethods;

/// <summary>Result of one run.</summary>
internal sealed record Result(string Method, double LearningRate, double TestLoss, long Trainable, double Seconds, double PeakMegabytes, long AdapterBytes);

internal static class Report
{
    private static readonly string[] Columns = ["method", "learning rate", "test loss", "trainable", "training, s", "peak memory, MB", "adapter, KB"];

    private static string[] Cells(Result result) =>
    [
        result.Method, Text($"{result.LearningRate:0.####}"), Text($"{result.TestLoss:F3}"), Text($"{result.Trainable:N0}"), Text($"{result.Seconds:F0}"),
        Text($"{result.PeakMegabytes:F0}"), Text($"{result.AdapterBytes / 1024.0:F0}"),
    ];

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    public static void Show(IEnumerable<Result> results)
    {
        var table = new Table();
        foreach (var column in Columns) table.AddColumn(column);
        foreach (var result in results.OrderBy(each => each.TestLoss)) table.AddRow([.. Cells(result).Select(Markup.Escape)]);
        AnsiConsole.Write(table);
    }

    /// <summary>Writes the table between the markers in docs/comparison.md, and the plot to docs/comparison.png.</summary>
    public static void WriteDocs(string root, IReadOnlyList<Result> results)
    {
        var page = Path.Combine(root, "docs", "comparison.md");
        var text = File.ReadAllText(page);
        const string begin = "<!-- results -->\n", end = "<!-- end of results -->";
        var (from, to) = (text.IndexOf(begin, StringComparison.Ordinal) + begin.Length, text.IndexOf(end, StringComparison.Ordinal));
        string[] rows = ["| " + string.Join(" | ", Columns) + " |", "|" + string.Join("|", Columns.Select((_, i) => i == 0 ? "---" : "---:")) + "|",
            .. results.OrderBy(each => each.TestLoss).Select(each => "| " + string.Join(" | ", Cells(each)) + " |")];
        File.WriteAllText(page, text[..from] + string.Join("\n", rows) + "\n" + text[to..]);
        Plot(results, Path.Combine(root, "docs", "comparison.png"));
    }

    private static void Plot(IReadOnlyList<Result> results, string file)
    {
        using var plot = new ScottPlot.Plot();
        foreach (var result in results)
        {
            var x = Math.Log10(result.Trainable);
            plot.Add.Marker(x, result.TestLoss, ScottPlot.MarkerShape.FilledCircle, 9);
            var label = plot.Add.Text(result.Method, x, result.TestLoss);
            (label.OffsetX, label.OffsetY) = (7, -7);
        }
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericManual([.. Enumerable.Range(2, 4).Select(power => new ScottPlot.Tick(power, Math.Pow(10, power).ToString("N0", CultureInfo.InvariantCulture)))]);
        plot.XLabel("trainable parameters");
        plot.YLabel("test loss");
        plot.Axes.SetLimitsX(2, 6);
        plot.SavePng(file, 900, 560);
    }
}
