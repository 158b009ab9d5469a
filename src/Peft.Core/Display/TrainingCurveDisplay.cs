namespace Peft;

/// <summary>Displays a run in progress in a notebook.</summary>
internal sealed class TrainingCurveDisplay : HtmlDisplay<TrainingCurve>
{
    protected override IEnumerable<object?> Render(TrainingCurve curve)
    {
        // Displays nothing before the first step: a notebook may keep its first output next to later ones.
        if (curve.Last is not { } last) yield break;
        yield return LossChart.Draw(curve.Losses, curve.Evaluations, last.TotalSteps);
        yield return Markup.Tag("div", $"step {Markup.Number((long)last.Step)} of {Markup.Number((long)last.TotalSteps)}, loss ", Markup.Classed("span", "accent", Markup.Number(last.Loss)),
            $", learning rate {Markup.Number(last.LearningRate)}", last.LastEvaluation is { } evaluation ? $", evaluation: {EvaluationResultDisplay.Line(evaluation)}" : null);
    }
}
