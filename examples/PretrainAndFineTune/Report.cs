using Examples;
using static System.FormattableString;

namespace PretrainAndFineTune;

/// <summary>Shows the outcomes as tables and a plot.</summary>
internal static class Report
{
    private static readonly (string Task, string Metric)[] Tasks = [("intents", "accuracy"), ("entities", "F1")];

    private static IEnumerable<string> Methods(IReadOnlyList<Outcome> outcomes) => Method.All.Select(method => method.Name).Where(name => outcomes.Any(outcome => outcome.Method == name));

    private static IEnumerable<Kind> Kinds(IReadOnlyList<Outcome> outcomes) => outcomes.Select(outcome => outcome.Kind).Distinct();

    /// <summary>A row for each method, three columns for each model.</summary>
    private static ResultsTable Table(IReadOnlyList<Outcome> outcomes, string task, string metric) => new(
        ["method", .. Kinds(outcomes).SelectMany(kind => new[] { $"{Name(kind)}: {metric}", "trained", "CPU s" })],
        Methods(outcomes).Select(method => (string[])[method, .. Kinds(outcomes).SelectMany(kind =>
        {
            var one = outcomes.Single(each => each.Task == task && each.Method == method && each.Kind == kind);
            return new[] { Invariant($"{one.Score:F3}"), Invariant($"{one.Trainable:N0}"), Invariant($"{one.Seconds:F0}") };
        })]));

    private static ResultsTable Table(IEnumerable<Pretrained> models) => new(["model", "parameters", "tokens", "loss at first", "loss at last", "CPU s"],
        models.Select(each => (string[])[Name(each.Kind), Invariant($"{each.Parameters:N0}"), Invariant($"{each.Tokens:N0}"), Invariant($"{each.FirstLoss:F2}"), Invariant($"{each.LastLoss:F2}"), Invariant($"{each.Seconds:F0}")]));

    private static string Name(Kind kind) => kind.ToString().ToUpperInvariant();

    public static void Show(IReadOnlyList<Pretrained> models, IReadOnlyList<Outcome> outcomes)
    {
        Table(models).Show();
        foreach (var (task, metric) in Tasks) Table(outcomes, task, metric).Show();
    }

    /// <summary>Writes the tables into pretrain-and-fine-tune.md, and the plot beside it.</summary>
    public static void WriteDocs(IReadOnlyList<Pretrained> models, IReadOnlyList<Outcome> outcomes, string docs)
    {
        var page = Path.Combine(docs, "pretrain-and-fine-tune.md");
        Table(models).WriteTo(page, "pretraining");
        foreach (var (task, metric) in Tasks) Table(outcomes, task, metric).WriteTo(page, task);
        Plot(outcomes, Path.Combine(docs, "pretrain-and-fine-tune.svg"));
    }

    // A group of bars for each method, a bar for each model and task.
    private static void Plot(IReadOnlyList<Outcome> outcomes, string file)
    {
        using var plot = new ScottPlot.Plot();
        var methods = Methods(outcomes).ToList();
        var series = Kinds(outcomes).SelectMany(kind => Tasks.Select(task => (Kind: kind, Task: task))).ToList();
        foreach (var (i, (kind, (task, metric))) in series.Index())
        {
            var bars = plot.Add.Bars(outcomes.Where(each => each.Kind == kind && each.Task == task).Select(each => new ScottPlot.Bar
            {
                Position = methods.IndexOf(each.Method) * (series.Count + 1) + i, Value = each.Score, Label = Invariant($"{each.Score:F2}"),
            }).ToList());
            bars.Color = plot.Add.Palette.GetColor(i);
            bars.LegendText = $"{Name(kind)}, {task} ({metric})";
            bars.ValueLabelStyle.FontSize = 10;
        }
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericManual([.. methods.Select((method, i) => new ScottPlot.Tick(i * (series.Count + 1) + (series.Count - 1) / 2.0, method))]);
        plot.Axes.Margins(bottom: 0);
        plot.YLabel("accuracy or F1 on the test set");
        plot.ShowLegend(ScottPlot.Alignment.UpperRight);
        plot.SaveSvg(file, 900, 480);
    }
}
