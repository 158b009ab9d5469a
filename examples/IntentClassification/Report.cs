using System.Globalization;
using System.Text.Json;
using Examples;

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

    public static void Show(string file) => Table(file).Show();

    /// <summary>Writes the table into docs/intents.md, and the plot to docs/intents.svg.</summary>
    public static void WriteDocs(string file, string docs)
    {
        Table(file).WriteTo(Path.Combine(docs, "intents.md"));
        using var plot = ParameterPlot.Of(Sorted(file).Select(runs => (runs.Key, runs.First().Trainable, runs.Average(run => run.Accuracy))), "accuracy on 1,000 held-out texts", least: 4, most: 8);
        plot.SaveSvg(Path.Combine(docs, "intents.svg"), 900, 560);
    }

    private static ResultsTable Table(string file) => new(Columns, Sorted(file).Select(Cells));

    private static IEnumerable<IGrouping<string, Outcome>> Sorted(string file) => Read(file).GroupBy(each => each.Method).OrderByDescending(runs => runs.Average(run => run.Accuracy));

    private static List<Outcome> Read(string file) => File.Exists(file) ? [.. File.ReadLines(file).Select(line => JsonSerializer.Deserialize<Outcome>(line)!)] : [];
}
