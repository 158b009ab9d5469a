using System.Xml.Linq;

namespace Peft.Report;

/// <summary>A figure with curves over steps.</summary>
internal static class LineChart
{
    private static readonly CurveDrawing Drawing = new(360, 190);

    /// <summary>A figure; null if there is no finite point.</summary>
    /// <param name="title">Its title.</param>
    /// <param name="summary">A remark next to the title, such as the last value.</param>
    /// <param name="curves">The curves.</param>
    public static XElement? Draw(string title, string summary, IReadOnlyList<Curve> curves)
    {
        if (Drawing.Draw($"{title} over steps. {summary}", curves, Display.Short) is not { } drawing) return null;
        var names = curves.Where(curve => curve.Points.Count > 0 && curve.Name.Length > 0).ToList();
        return Markup.Tag("figure",
            Markup.Tag("figcaption", Markup.Tag("b", title), " ", Markup.Tag("span", summary)),
            drawing,
            names.Count > 1 ? Markup.Classed("p", "legend", names.Select(curve => Markup.Tag("span", Markup.Classed("i", curve.Style), curve.Name))) : null);
    }
}
