using System.Globalization;
using Examples;

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

    private static ResultsTable Table(IEnumerable<Result> results) => new(Columns, results.OrderBy(each => each.TestLoss).Select(Cells));

    public static void Show(IEnumerable<Result> results) => Table(results).Show();

    /// <summary>Writes the table into docs/comparison.md, and the plot to docs/comparison.png.</summary>
    public static void WriteDocs(string root, IReadOnlyList<Result> results)
    {
        Table(results).WriteTo(Path.Combine(root, "docs", "comparison.md"));
        using var plot = ParameterPlot.Of(results.Select(each => (each.Method, each.Trainable, each.TestLoss)), "test loss", least: 2, most: 6);
        plot.SavePng(Path.Combine(root, "docs", "comparison.png"), 900, 560);
    }
}
