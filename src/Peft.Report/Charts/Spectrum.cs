using System.Xml.Linq;

namespace Peft.Report;

/// <summary>Singular values as bars, relative to the first.</summary>
internal static class Spectrum
{
    private const int Most = 32;
    private const double Bar = 5, Height = 22;

    public static XElement? Draw(IReadOnlyList<double> values)
    {
        if (values is not [> 0 and var first, ..]) return null;
        var shown = values.Take(Most).ToList();
        return Markup.Tag("svg", Markup.With("class", "spectrum"), Markup.With("viewBox", $"0 0 {Markup.Coordinate(shown.Count * Bar)} {Height}"), Markup.With("style", $"width:{Markup.Coordinate(shown.Count * Bar)}px"),
            Markup.With("role", "img"), Markup.With("aria-label", $"{values.Count} singular values from {Display.Number(first)} to {Display.Number(values[^1])}"),
            shown.Select((value, i) => Markup.Tag("rect", Markup.With("x", i * Bar), Markup.With("width", Bar - 1), Markup.With("y", Height - Math.Max(1, value / first * Height)), Markup.With("height", Math.Max(1, value / first * Height)))));
    }
}
