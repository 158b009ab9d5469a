using Examples;
using ScottPlot;
using static System.FormattableString;

namespace Rlhf;

/// <summary>The results of some seeds as tables, samples and a plot.</summary>
internal sealed class Report(IReadOnlyList<ChainResult> chains)
{
    private const int Last = 5;   // updates whose mean is the end of a run

    private static readonly (Method Method, Teacher Teacher)[] Kinds = [(Method.Ppo, Teacher.Judge), (Method.Grpo, Teacher.Judge), (Method.Ppo, Teacher.RewardModel), (Method.Grpo, Teacher.RewardModel)];

    private static string Name((Method Method, Teacher Teacher) kind) => $"{kind.Method.ToString().ToUpperInvariant()}, {(kind.Teacher == Teacher.Judge ? "judge" : "reward model")}";

    private IEnumerable<Run> Runs((Method Method, Teacher Teacher) kind) => chains.SelectMany(chain => chain.Runs).Where(run => (run.Method, run.Teacher) == kind);

    private ResultsTable Stages => new(["stage", "judge's score", "reward model's score", "KL, nats per story", "words", "different words", "s"],
    [
        Row("pretrained", chains.Select(chain => chain.Pretrained)),
        Row("supervised fine-tuning", chains.Select(chain => chain.Tuned)),
        .. Kinds.Select(kind => Row(Name(kind), Runs(kind).Select(run => run.After), [.. Runs(kind)])),
    ]);

    private ResultsTable Rewards => new(["seed", "pairs learned", "pairs held out", "accuracy"],
        chains.Select(chain => (string[])[Invariant($"{chain.Seed}"), Invariant($"{chain.Reward.TrainingPairs}"), Invariant($"{chain.Reward.Pairs}"), Invariant($"{chain.Reward.Accuracy:F3}")]));

    private static string[] Row(string stage, IEnumerable<Measurement> measured, params Run[] runs)
    {
        var all = measured.ToList();
        return
        [
            stage, Spread(all.Select(each => each.Score), "F2"), runs is [{ Teacher: Teacher.RewardModel }, ..] ? Spread(runs.Select(run => run.Points.TakeLast(Last).Average(point => point.Model)), "F1") : "",
            runs.Length > 0 ? Spread(runs.Select(run => run.Points.TakeLast(Last).Average(point => point.Kl)), "F0") : "", Invariant($"{all.Average(each => each.Words):F0}"), Invariant($"{all.Average(each => each.Distinct):P0}"),
            runs.Length > 0 ? Invariant($"{runs.Average(run => run.Seconds):F0}") : "",
        ];
    }

    // The mean, and the lowest and the highest value.
    private static string Spread(IEnumerable<double> values, string format)
    {
        var all = values.ToList();
        string Text(double value) => value.ToString(format, System.Globalization.CultureInfo.InvariantCulture).Replace('-', '−');
        return all.Count == 1 ? Text(all[0]) : $"{Text(all.Average())} ({Text(all.Min())} to {Text(all.Max())})";
    }

    private IEnumerable<string> Samples()
    {
        var first = chains[0];
        var stages = new[] { ("pretrained", first.Pretrained), ("supervised fine-tuning", first.Tuned) }.Concat(Kinds.SelectMany(kind => first.Runs.Where(run => (run.Method, run.Teacher) == kind).Select(run => (Name(kind), run.After))));
        return stages.SelectMany(stage => new[] { $"- **{stage.Item1}**: {Quoted(stage.Item2.Samples[0])}" });
    }

    private static string Quoted(Story story) => Invariant($"{story.Prompt} *{story.Text.Trim().ReplaceLineEndings(" ").Replace('*', '∗')}* ({story.Score:F2})").Replace('-', '−');

    public void Show()
    {
        Rewards.Show();
        Stages.Show();
        foreach (var line in Samples()) Console.WriteLine(line);
    }

    /// <summary>Writes tables and samples into rlhf.md, and the plot beside it.</summary>
    public void WriteDocs(string docs)
    {
        var page = Path.Combine(docs, "rlhf.md");
        Rewards.WriteTo(page, "reward models");
        Stages.WriteTo(page);
        Page.Write(page, "samples", Samples());
        Plot(Path.Combine(docs, "rlhf.png"));
    }

    private void Plot(string file)
    {
        var both = new Multiplot();
        both.AddPlots(2);
        both.Layout = new ScottPlot.MultiplotLayouts.Columns();
        var (scores, divergences) = (both.GetPlot(0), both.GetPlot(1));
        foreach (var (i, kind) in Kinds.Index())
        {
            var color = scores.Add.Palette.GetColor(i);
            Band(scores, [.. Runs(kind)], point => point.Judge, color, Name(kind));
            Band(divergences, [.. Runs(kind)], point => point.Kl, color, "");
        }
        scores.Add.HorizontalLine(Judge.Bound, width: 1, Colors.Gray, LinePattern.Dashed);
        scores.YLabel("judge's score");
        divergences.YLabel("KL to the fine-tuned model, nats per story");
        foreach (var plot in new[] { scores, divergences }) plot.XLabel("update");
        scores.ShowLegend(Alignment.LowerRight);
        both.SavePng(file, 1200, 480);
    }

    // The mean over the seeds, and a band from the lowest to the highest value.
    private static void Band(Plot plot, IReadOnlyList<Run> runs, Func<Point, double> value, Color color, string name)
    {
        var length = runs.Max(run => run.Points.Count);
        var updates = Enumerable.Range(0, length).Select(i => (X: i + 1.0, Values: runs.Where(run => run.Points.Count > i).Select(run => value(run.Points[i])).ToList())).ToList();
        plot.Add.FillY([.. updates.Select(each => (each.X, each.Values.Min(), each.Values.Max()))]).FillColor = color.WithAlpha(0.2);
        var line = plot.Add.ScatterLine(updates.Select(each => each.X).ToArray(), [.. updates.Select(each => each.Values.Average())], color);
        (line.LineWidth, line.LegendText) = (2, name);
    }
}
