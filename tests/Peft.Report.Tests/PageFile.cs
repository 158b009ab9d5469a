using System.Xml.Linq;

namespace Peft.Report.Tests;

/// <summary>A page as XML, which it is but for its first line.</summary>
internal static class PageFile
{
    public static XElement Parse(string html)
    {
        html.ShouldStartWith("<!doctype html>\n");
        return XElement.Parse(html["<!doctype html>\n".Length..]);
    }

    public static IEnumerable<XElement> Charts(this XElement page) => page.Descendants("figure").Where(figure => figure.Element("svg") is not null);

    public static XElement Chart(this XElement page, string title) => page.Charts().Single(figure => figure.Descendants("b").First().Value == title);

    /// <summary>The points of a path, in the drawing's units.</summary>
    public static IReadOnlyList<(double X, double Y)> Points(this XElement path)
        => [.. ((string)path.Attribute("d")!).Split((char[])['M', 'L'], StringSplitOptions.RemoveEmptyEntries).Select(point => point.Split(' '))
            .Select(point => (double.Parse(point[0], System.Globalization.CultureInfo.InvariantCulture), double.Parse(point[1], System.Globalization.CultureInfo.InvariantCulture)))];
}
