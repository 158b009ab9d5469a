using System.Globalization;

namespace Peft;

/// <summary>Displays a run in a notebook: its loss curve and final metrics.</summary>
internal sealed class TrainingResultDisplay : HtmlDisplay<TrainingResult>
{
    protected override IEnumerable<object?> Render(TrainingResult result)
    {
        yield return LossChart.Draw(result.Losses, result.Evaluations, result.Steps);
        var last = result.Losses.Count > 0 ? $"{Markup.Number(result.Losses[0])} → {Markup.Number(result.Losses[^1])}" : null;
        yield return Markup.Table(["", ""], new (string Name, string? Text)[]
        {
            ("loss", last),
            ("evaluation", result.Evaluations.Count > 0 ? EvaluationResultDisplay.Line(result.Evaluations[^1]) : null),
            ("best evaluation", result.Best is { } best ? $"{EvaluationResultDisplay.Line(best)}, step {Markup.Number((long)best.Step)}" : null),
            ("steps", $"{Markup.Number((long)result.Steps)}{(result.SkippedSteps > 0 ? $", {Markup.Number((long)result.SkippedSteps)} skipped" : "")} ({result.StopReason})"),
            ("tokens", $"{Markup.Number(result.Tokens)}, {Markup.Number((long)result.TokensPerSecond)} a second"),
            ("time", string.Create(CultureInfo.InvariantCulture, $"{result.Elapsed.TotalSeconds:0.0} s")),
            ("peak memory", string.Join(", ", new (string Phase, long? Bytes)[] { ("start", result.Memory.Start), ("training", result.Memory.Training), ("evaluation", result.Memory.Evaluation), ("saving", result.Memory.Saving) }
                .Where(each => each.Bytes is not null).Select(each => $"{each.Phase} {MemoryBudget.Text(each.Bytes!.Value)}"))),
            ("best checkpoint", result.BestCheckpoint),
            ("last checkpoint", result.LastCheckpoint),
        }.Where(row => row.Text is not null).Select(row => new object?[] { Markup.Classed("span", "quiet", row.Name), row.Text }));
    }
}
