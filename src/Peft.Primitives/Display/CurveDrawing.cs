using System.Xml.Linq;

namespace Peft;

/// <summary>Draws curves over steps as an SVG that takes its colours from the page.</summary>
/// <param name="Width">Width of the drawing; it is scaled to the page.</param>
/// <param name="Height">Height of the drawing.</param>
internal sealed record CurveDrawing(double Width, double Height)
{
    private const double Left = 46, Right = 8, Top = 8, Bottom = 22, HalfCharacter = 3.6;

    /// <summary>Draws the curves; null if there is no finite point.</summary>
    /// <param name="label">What readers hear who do not see it.</param>
    /// <param name="curves">The curves.</param>
    /// <param name="text">Text of a tick.</param>
    /// <param name="steps">The steps that the drawing spans; null for those of the curves.</param>
    public XElement? Draw(string label, IEnumerable<Curve> curves, Func<double, string> text, (double First, double Last)? steps = null)
    {
        var shown = curves.Where(curve => curve.Points.Count > 0).ToList();
        var points = shown.SelectMany(curve => curve.Points).Where(point => double.IsFinite(point.Y)).ToList();
        if (points.Count == 0) return null;
        var x = new Axis(steps?.First ?? points.Min(point => point.X), steps?.Last ?? points.Max(point => point.X), Left, Width - Right, 4);
        var (low, high) = (points.Min(point => point.Y), points.Max(point => point.Y));
        var margin = (high - low) * 0.05;
        var y = new Axis(low >= 0 ? Math.Max(0, low - margin) : low - margin, high + margin, Height - Bottom, Top, 4);
        var grid = y.Ticks.SelectMany(tick => new[]
        {
            Markup.Classed("line", "grid", Markup.With("x1", Left), Markup.With("x2", Width - Right), Markup.With("y1", y.At(tick)), Markup.With("y2", y.At(tick))),
            Markup.Classed("text", "tick end", Markup.With("x", Left - 5), Markup.With("y", y.At(tick) + 4), text(tick)),
        });
        var bottom = x.Ticks.Where(tick => tick % 1 == 0).Select(tick => (At: x.At(tick), Text: text(tick)))
            .Select(tick => Markup.Classed("text", "tick middle", Markup.With("x", Math.Clamp(tick.At, Left + 4, Width - Math.Max(14, HalfCharacter * tick.Text.Length))), Markup.With("y", Height - 6), tick.Text));
        return Markup.Tag("svg", Markup.With("viewBox", $"0 0 {Width} {Height}"), Markup.With("role", "img"), Markup.With("aria-label", label), grid, bottom, shown.Select(curve => Line(curve, x, y)));
    }

    // A single point is a dot.
    private static XElement Line(Curve curve, Axis x, Axis y)
    {
        var finite = curve.Points.Where(point => double.IsFinite(point.Y)).Take(2).ToList();
        return finite.Count == 1
            ? Markup.Classed("circle", curve.Style, Markup.With("cx", x.At(finite[0].X)), Markup.With("cy", y.At(finite[0].Y)), Markup.With("r", 3))
            : Markup.Classed("path", curve.Style, Markup.With("d", curve.Path(x, y)));
    }
}
