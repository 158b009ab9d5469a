using System.Globalization;
using System.Xml.Linq;

namespace Peft;

/// <summary>Draws the losses over the steps of a run as an SVG.</summary>
internal static class LossChart
{
    private static readonly CurveDrawing Drawing = new(520, 220);

    /// <summary>Draws the chart; null if no loss is finite.</summary>
    /// <param name="losses">Loss of each step from the first.</param>
    /// <param name="evaluations">Evaluations during the run.</param>
    /// <param name="totalSteps">Total number of steps of the run.</param>
    public static XElement? Draw(IReadOnlyList<double> losses, IReadOnlyList<EvaluationResult> evaluations, int totalSteps)
    {
        var raw = new Curve("step", [.. losses.Select((loss, i) => (i + 1.0, loss))], "raw");
        var smooth = raw.Smooth("mean", "loss", Math.Clamp(1 - 20.0 / Math.Max(1, losses.Count), 0, 0.95));   // short runs are not smoothed
        var evaluated = new Curve("evaluation", [.. evaluations.Select(each => ((double)Math.Max(1, each.Step), each.Loss))], "evaluation");
        return Drawing.Draw(string.Create(CultureInfo.InvariantCulture, $"Loss over {losses.Count} steps"), [raw, smooth, evaluated], Markup.Number, (1, Math.Max(2, totalSteps)));
    }
}
