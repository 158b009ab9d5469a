using System.Xml.Linq;
using Peft.Checkpoints;

namespace Peft.Report;

/// <summary>A self-contained page that compares runs: their curves in the same charts, a table of final values, and the settings that differ.</summary>
public static class ComparisonPage
{
    /// <summary>Number of curves that the page can tell apart by colour.</summary>
    private const int Colours = 8;

    // Settings that only say where a run was saved.
    private static readonly string[] Paths = ["training.OutputFolder", "training.ResumeFrom", "training.JsonLogFile", "training.TensorBoardFolder"];

    /// <summary>Writes the page to a file.</summary>
    /// <exception cref="CheckpointException">The file cannot be written.</exception>
    /// <exception cref="ReportException">There are no runs.</exception>
    public static void Write(IReadOnlyList<RunRecord> runs, string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        AtomicFile.WriteText(path, Html(runs));
    }

    /// <summary>The page.</summary>
    /// <exception cref="ReportException">There are no runs.</exception>
    public static string Html(IReadOnlyList<RunRecord> runs)
    {
        ArgumentNullException.ThrowIfNull(runs);
        if (runs.Count == 0 || runs.Contains(null!)) throw new ReportException("There are no runs to compare: name the logs of at least one.");
        var names = Names(runs);
        return HtmlPage.Of("Comparison of runs",
            Markup.Tag("h1", "Comparison of runs"),
            Markup.Tag("p", Markup.With("class", "legend"), names.Select((name, i) => Markup.Tag("span", Markup.Tag("i", Markup.With("class", Style(i))), name))),
            Markup.Tag("section", Markup.Tag("h2", "Final values"), Scroll(Finals(runs, names))),
            Markup.Tag("section", Markup.Tag("h2", "Curves"), Markup.Tag("div", Markup.With("class", "charts"), Charts(runs))),
            Differences(runs, names) is { } table ? Markup.Tag("section", Markup.Tag("h2", "Settings that differ"), Scroll(table)) : null);
    }

    private static string Style(int run) => $"c{run % Colours + 1}{(run >= Colours ? " dashed" : "")}";

    private static List<string> Names(IReadOnlyList<RunRecord> runs)
        => [.. runs.Select((run, i) => runs.Count(other => other.Name == run.Name) > 1 ? $"{run.Name} ({i + 1})" : run.Name)];

    private static XElement Finals(IReadOnlyList<RunRecord> runs, IReadOnlyList<string> names)
    {
        var values = runs.Select(run => RunSummary.Of(run).ToDictionary(each => each.Name, each => each.Text)).ToList();
        var rows = values[0].Keys.Where(name => values.Any(run => run[name] is not null));
        return Table(names, rows.Select(name => (name, values.Select(run => run[name]).ToList())));
    }

    private static XElement? Differences(IReadOnlyList<RunRecord> runs, IReadOnlyList<string> names)
    {
        var oneMethod = runs.Select(run => run.Configuration.GetValueOrDefault("adapter.PeftType")).Distinct().Count() == 1;
        var rows = runs.SelectMany(run => run.Configuration.Keys).Distinct().Except(Paths).Select(name => (Name: name, Values: runs.Select(run => run.Configuration.GetValueOrDefault(name)).ToList()))
            // A setting that only one of several methods has is not a difference between runs.
            .Where(row => (oneMethod || !row.Name.StartsWith("adapter.", StringComparison.Ordinal) ? row.Values : row.Values.Where(value => value is not null)).Distinct().Count() > 1).ToList();
        return rows.Count == 0 ? null : Table(names, rows);
    }

    private static XElement Table(IReadOnlyList<string> names, IEnumerable<(string Name, List<string?> Values)> rows)
        => Markup.Tag("table", Markup.With("class", "layers runs"),
            Markup.Tag("thead", Markup.Tag("tr", Markup.Tag("th", ""), names.Select(name => Markup.Tag("th", name)))),
            Markup.Tag("tbody", rows.Select(row => Markup.Tag("tr", Markup.Tag("th", row.Name), row.Values.Select(value => Markup.Tag("td", value ?? "–"))))));

    private static XElement Scroll(XElement table) => Markup.Tag("div", Markup.With("class", "scroll"), table);

    private static IEnumerable<XElement> Charts(IReadOnlyList<RunRecord> runs)
    {
        XElement? Chart(string title, Func<RunRecord, IReadOnlyList<(double, double)>> curve, double smooth = 0)
            => LineChart.Draw(title, "", [.. runs.Select((run, i) => new Curve("", curve(run), Style(i))).Select(each => smooth > 0 ? each.Smooth("", each.Style, smooth) : each)]);
        return new[]
        {
            Chart("Loss (mean)", run => run.Curve("loss"), 0.9),
            Chart("Evaluation loss", run => run.EvaluationCurve("loss")),
            Chart("Learning rate", run => run.Curve("learning_rate")),
            Chart("Gradient norm (mean)", run => run.Curve("gradient_norm"), 0.9),
            Chart("Tokens per second (mean)", run => run.Curve("tokens_per_second"), 0.9),
            RunCharts.Memory([.. runs.Select((run, i) => new Curve("", run.Curve("memory_bytes"), Style(i)))]),
        }.Concat(runs.SelectMany(RunCharts.Names).Distinct().SelectMany(name => new[] { Chart($"{name} (training)", run => run.Curve(name)), Chart($"{name} (evaluation)", run => run.EvaluationCurve(name)) })).OfType<XElement>();
    }
}
