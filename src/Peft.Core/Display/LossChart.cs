using System.Globalization;
using System.Text;
using System.Xml.Linq;

namespace Peft;

/// <summary>Draws the losses over the steps of a run as an SVG.</summary>
internal static class LossChart
{
    private const double Width = 520, Height = 220, Left = 46, Right = 12, Top = 10, Bottom = 24;
    private const int MaxPoints = 400;

    /// <summary>Draws the chart; null if no loss is finite.</summary>
    /// <param name="losses">Loss of each step from the first.</param>
    /// <param name="evaluations">Evaluations during the run.</param>
    /// <param name="totalSteps">Total number of steps of the run.</param>
    public static XElement? Draw(IReadOnlyList<double> losses, IReadOnlyList<EvaluationResult> evaluations, int totalSteps)
    {
        var raw = losses.Select((loss, i) => (X: i + 1.0, Y: loss)).ToList();
        var evaluated = evaluations.Select(each => (X: (double)each.Step, Y: each.Loss)).ToList();
        List<double> values = [.. raw.Concat(evaluated).Select(point => point.Y).Where(double.IsFinite)];
        if (values.Count == 0) return null;
        var (low, high) = (values.Min(), values.Max());
        var margin = high > low ? (high - low) * 0.05 : Math.Max(Math.Abs(low) * 0.1, 1e-6);
        (low, high) = (low - margin, high + margin);
        double last = Math.Max(2, totalSteps);
        double X(double step) => Left + (step - 1) / (last - 1) * (Width - Left - Right);
        double Y(double loss) => Top + (high - loss) / (high - low) * (Height - Top - Bottom);

        var levels = Ticks(low, high).SelectMany(level => new[]
        {
            Markup.Classed("line", "grid", Markup.With("x1", Left), Markup.With("x2", Width - Right), Markup.With("y1", Y(level)), Markup.With("y2", Y(level))),
            Label(Left - 6, Y(level) + 4, "end", Markup.Number(level)),
        });
        var steps = Ticks(1, last).Where(step => step % 1 == 0).Select(step => Label(X(step), Height - 6, "middle", Markup.Number((long)step)));
        return Markup.Tag("svg", Markup.With("viewBox", $"0 0 {Width} {Height}"), Markup.With("role", "img"), Markup.With("aria-label", string.Create(CultureInfo.InvariantCulture, $"Loss over {losses.Count} steps")),
            levels, steps,
            Curve(raw, "raw", X, Y), Curve(Smooth(raw), "loss", X, Y), Curve(evaluated, "evaluation", X, Y),
            evaluated.Where(point => double.IsFinite(point.Y)).Select(point => Markup.Classed("circle", "evaluation", Markup.With("cx", X(Math.Max(1, point.X))), Markup.With("cy", Y(point.Y)), Markup.With("r", 3.0))));
    }

    private static XElement Label(double x, double y, string anchor, string text)
        => Markup.Tag("text", Markup.With("x", x), Markup.With("y", y), Markup.With("text-anchor", anchor), text);

    // Non-finite losses leave gaps.
    private static XElement Curve(IReadOnlyList<(double X, double Y)> points, string style, Func<double, double> x, Func<double, double> y)
    {
        var path = new StringBuilder();
        var pen = 'M';
        foreach (var (step, loss) in Thin(points))
        {
            if (double.IsFinite(loss)) path.Append(CultureInfo.InvariantCulture, $"{pen}{x(Math.Max(1, step)):0.##} {y(loss):0.##}");
            pen = double.IsFinite(loss) ? 'L' : 'M';
        }
        return Markup.Classed("path", style, Markup.With("d", path));
    }

    // Long curves keep the minimum and maximum of each chunk, so that no peak is lost.
    private static IEnumerable<(double X, double Y)> Thin(IReadOnlyList<(double X, double Y)> points)
        => points.Count <= MaxPoints ? points
            : points.Chunk((points.Count + MaxPoints / 2 - 1) / (MaxPoints / 2)).SelectMany(part => new[] { part.MinBy(point => point.Y), part.MaxBy(point => point.Y) }.Distinct().OrderBy(point => point.X));

    // An exponential moving average with bias correction.
    private static List<(double X, double Y)> Smooth(IReadOnlyList<(double X, double Y)> points)
    {
        var decay = Math.Clamp(1 - 20.0 / Math.Max(1, points.Count), 0, 0.95);   // short runs are not smoothed
        var (mean, weight) = (0.0, 0.0);
        var smooth = new List<(double, double)>();
        foreach (var (step, loss) in points.Where(point => double.IsFinite(point.Y)))
        {
            (mean, weight) = (decay * mean + (1 - decay) * loss, decay * weight + 1 - decay);
            smooth.Add((step, mean / weight));
        }
        return smooth;
    }

    // About four round numbers.
    private static IEnumerable<double> Ticks(double low, double high)
    {
        var rough = (high - low) / 4;
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var step = power * ((rough / power) switch { < 1.5 => 1, < 3.5 => 2, < 7.5 => 5, _ => 10 });
        for (var i = Math.Ceiling(low / step); i * step <= high; i++) yield return Math.Round(i * step, 10);
    }
}
