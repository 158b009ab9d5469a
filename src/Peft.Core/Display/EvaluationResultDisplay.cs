namespace Peft;

/// <summary>Displays an evaluation in a notebook: its metrics and generated texts.</summary>
internal sealed class EvaluationResultDisplay : HtmlDisplay<EvaluationResult>
{
    /// <summary>Formats the loss and the metrics in one line.</summary>
    public static string Line(EvaluationResult result) => string.Join(", ", All(result).Select(each => $"{each.Key} {Markup.Number(each.Value)}"));

    protected override IEnumerable<object?> Render(EvaluationResult result)
    {
        yield return Markup.Table(["metric", "value"], All(result).Select(each => new object?[] { each.Key, Markup.Classed("span", "accent", Markup.Number(each.Value)) }));
        foreach (var (name, texts) in result.Samples) yield return Markup.Folded($"{name} ({texts.Count})", Markup.Table([""], texts.Select(text => new object?[] { text })));
    }

    private static IEnumerable<KeyValuePair<string, double>> All(EvaluationResult result) => result.Metrics.Where(each => each.Key != "loss").Prepend(new("loss", result.Loss));
}
