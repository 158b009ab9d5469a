using System.Xml.Linq;

namespace Peft.Report;

/// <summary>Curves over steps, as a small SVG that takes its colours from the page.</summary>
internal static class LineChart
{
    private const double Width = 360, Height = 190, Left = 46, Right = 8, Top = 8, Bottom = 22;

    /// <summary>A figure; null if there is no finite point.</summary>
    /// <param name="title">Its title.</param>
    /// <param name="summary">A remark next to the title, such as the last value.</param>
    /// <param name="curves">The curves.</param>
    public static XElement? Draw(string title, string summary, IReadOnlyList<Curve> curves)
    {
        var points = curves.SelectMany(curve => curve.Points).Where(point => double.IsFinite(point.Y)).ToList();
        if (points.Count == 0) return null;
        var x = new Axis(points.Min(point => point.X), points.Max(point => point.X), Left, Width - Right, 4);
        var (low, high) = (points.Min(point => point.Y), points.Max(point => point.Y));
        var margin = (high - low) * 0.05;
        var y = new Axis(low >= 0 ? Math.Max(0, low - margin) : low - margin, high + margin, Height - Bottom, Top, 4);
        var grid = y.Ticks.SelectMany(tick => new[]
        {
            Markup.Tag("line", Markup.With("class", "grid"), Markup.With("x1", Left), Markup.With("x2", Width - Right), Markup.With("y1", y.At(tick)), Markup.With("y2", y.At(tick))),
            Markup.Tag("text", Markup.With("class", "tick end"), Markup.With("x", Left - 5), Markup.With("y", y.At(tick) + 4), Display.Short(tick)),
        });
        var steps = x.Ticks.Where(tick => tick % 1 == 0).Select(tick => Markup.Tag("text", Markup.With("class", "tick middle"), Markup.With("x", Math.Clamp(x.At(tick), Left + 4, Width - 14)), Markup.With("y", Height - 6), Display.Short(tick)));
        var lines = curves.Where(curve => curve.Points.Count > 0).Select(curve => Line(curve, x, y));
        var names = curves.Where(curve => curve.Points.Count > 0 && curve.Name.Length > 0).ToList();
        return Markup.Tag("figure",
            Markup.Tag("figcaption", Markup.Tag("b", title), " ", Markup.Tag("span", summary)),
            Markup.Tag("svg", Markup.With("viewBox", $"0 0 {Width} {Height}"), Markup.With("role", "img"), Markup.With("aria-label", $"{title} over steps. {summary}"), grid, steps, lines),
            names.Count > 1 ? Markup.Tag("p", Markup.With("class", "legend"), names.Select(curve => Markup.Tag("span", Markup.Tag("i", Markup.With("class", curve.Style)), curve.Name))) : null);
    }

    // A single point is a dot.
    private static XElement Line(Curve curve, Axis x, Axis y)
    {
        var finite = curve.Points.Where(point => double.IsFinite(point.Y)).Take(2).ToList();
        return finite.Count == 1
            ? Markup.Tag("circle", Markup.With("class", curve.Style), Markup.With("cx", x.At(finite[0].X)), Markup.With("cy", y.At(finite[0].Y)), Markup.With("r", 3))
            : Markup.Tag("path", Markup.With("class", curve.Style), Markup.With("d", curve.Path(x, y)));
    }
}
