using System.Xml.Linq;

namespace Peft.Report;

/// <summary>The charts of a run.</summary>
internal static class RunCharts
{
    private static readonly string[] Known = ["loss", "learning_rate", "gradient_norm", "tokens_per_second", "memory_bytes", "epoch", "tokens", "seconds"];

    public static IEnumerable<XElement> All(RunRecord run)
        => new[]
        {
            Loss(run),
            Single(run, "learning_rate", "Learning rate", Display.Number),
            Single(run, "gradient_norm", "Gradient norm", Display.Number, smooth: true),
            Single(run, "tokens_per_second", "Tokens per second", Display.Short, smooth: true),
            Memory([new("", run.Curve("memory_bytes"), "c1")]),
        }.Concat(Names(run).Except(Constant(run).Select(each => each.Name)).Select(name => Metric(run, name))).OfType<XElement>();

    /// <summary>The further metrics that never changed, which need no chart.</summary>
    public static IReadOnlyList<(string Name, double Value)> Constant(RunRecord run)
        => [.. from name in Names(run)
               let values = run.Curve(name).Concat(run.EvaluationCurve(name)).Select(point => point.Value).ToList()
               where values.Count > 1 && values.Distinct().Count() == 1
               select (name, values[0])];

    /// <summary>The further metrics of training steps and evaluations.</summary>
    public static IEnumerable<string> Names(RunRecord run)
        => run.Steps.Concat(run.Evaluations).SelectMany(step => step.Values.Keys).Distinct().Except(Known);

    private static XElement? Loss(RunRecord run)
    {
        var raw = new Curve("step", run.Curve("loss"), "c1 raw");
        var evaluated = new Curve("evaluation", run.EvaluationCurve("loss"), "c2");
        var smooth = raw.Smooth("mean", "c1", 0.9);
        return LineChart.Draw("Loss", RunSummary.FinalLoss(run) ?? "", [raw, smooth, evaluated]);
    }

    private static XElement? Single(RunRecord run, string name, string title, Func<double, string> text, bool smooth = false)
    {
        var curve = new Curve("", run.Curve(name), smooth ? "c1 raw" : "c1");
        return LineChart.Draw(title, curve.Points.Count > 0 ? text(curve.Points[^1].Y) : "", smooth ? [curve, curve.Smooth("", "c1", 0.9)] : [curve]);
    }

    /// <summary>Memory, in the unit of the largest value.</summary>
    public static XElement? Memory(IReadOnlyList<Curve> curves)
    {
        var most = curves.SelectMany(curve => curve.Points).Select(point => point.Y).DefaultIfEmpty().Max();
        var (unit, size) = Display.Unit(most);
        return LineChart.Draw($"Memory ({unit})", Display.Bytes(most), [.. curves.Select(curve => curve with { Points = [.. curve.Points.Select(point => (point.X, point.Y / size))] })]);
    }

    private static XElement? Metric(RunRecord run, string name)
    {
        var (train, evaluated) = (new Curve("training", run.Curve(name), "c1"), new Curve("evaluation", run.EvaluationCurve(name), "c2"));
        var last = evaluated.Points.Count > 0 ? evaluated.Points[^1].Y : train.Points[^1].Y;
        return LineChart.Draw(name, Display.Number(last), [train, evaluated]);
    }
}
