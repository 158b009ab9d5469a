using System.Xml.Linq;

namespace Peft.Benchmarks;

/// <summary>Pictures as files of their own.</summary>
internal static class Svg
{
    /// <summary>A picture with a title.</summary>
    public static XElement Of(double width, double height, string style, string title, params object?[] content)
    {
        var svg = Markup.Tag("svg", [Markup.With("viewBox", FormattableString.Invariant($"0 0 {width} {height}")), Markup.Tag("style", style), Markup.Classed("text", "title", Markup.With("x", 6), Markup.With("y", 18), title), .. content]);
        XNamespace space = "http://www.w3.org/2000/svg";
        foreach (var element in svg.DescendantsAndSelf()) element.Name = space + element.Name.LocalName;
        return svg;
    }
}
