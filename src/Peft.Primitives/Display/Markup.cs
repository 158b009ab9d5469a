using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace Peft;

/// <summary>Creates elements of HTML and SVG. They are XML nodes, so all text is escaped.</summary>
internal static class Markup
{
    private static readonly string[] Void = ["meta", "br", "path", "line", "rect", "circle"];

    /// <summary>Creates an element from attributes (<see cref="With"/>), strings and child elements.</summary>
    public static XElement Tag(string name, params object?[] content)
    {
        var element = new XElement(name, content.Select(Clean).ToArray());
        if (element.IsEmpty && !Void.Contains(name)) element.Add("");   // <td/> would be an open <td> in HTML
        return element;
    }

    /// <summary>Creates an attribute.</summary>
    public static XAttribute With(string name, object value)
        => new(name, value is double number ? Coordinate(number) : (string)Clean(Convert.ToString(value, CultureInfo.InvariantCulture))!);

    /// <summary>Formats a coordinate of a drawing with at most two decimals.</summary>
    public static string Coordinate(double value) => Math.Round(value, 2).ToString(CultureInfo.InvariantCulture);

    /// <summary>Creates an element with a CSS class.</summary>
    public static XElement Classed(string name, string style, params object?[] content) => Tag(name, [With("class", style), .. content]);

    /// <summary>Creates a table. Columns of numbers are right-aligned.</summary>
    /// <param name="header">Names of the columns.</param>
    /// <param name="rows">A string, an element or a number for each column.</param>
    public static XElement Table(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<object?>> rows)
    {
        var lines = rows.ToList();
        var numbers = Enumerable.Range(0, header.Count).Select(i => lines.Exists(row => row[i] is long or int)).ToList();
        return Tag("table",
            header.All(string.IsNullOrEmpty) ? null : Tag("thead", Tag("tr", header.Select((name, i) => Cell("th", name, numbers[i])))),
            Tag("tbody", lines.Select(row => Tag("tr", row.Select((cell, i) => Cell("td", cell, numbers[i]))))));
    }

    /// <summary>Creates a collapsed section.</summary>
    public static XElement Folded(string title, params object?[] content) => Tag("details", Tag("summary", Classed("span", "quiet", title)), content);

    /// <summary>Formats a number for readers: 12,288 or 0.0314.</summary>
    public static string Number(double value) => value.ToString(Math.Abs(value) is >= 1e-3 and < 1e6 ? "#,0.####" : "0.###e+0", CultureInfo.InvariantCulture) is var text && value == 0 ? "0" : text;

    /// <summary>Formats an integer with thousands separators.</summary>
    public static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static XElement Cell(string tag, object? content, bool isNumber)
    {
        var shown = content switch { long whole => Number(whole), int whole => Number(whole), _ => content };
        return isNumber ? Classed(tag, "number", shown) : Tag(tag, shown);
    }

    // XML cannot contain control characters or half of a surrogate pair.
    private static object? Clean(object? content)
    {
        if (content is not string and IEnumerable<object?> several) return several.Select(Clean).ToArray();
        if (content is not string text) return content;
        var clean = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1])) clean.Append(text[i]).Append(text[++i]);
            else clean.Append(XmlConvert.IsXmlChar(text[i]) ? text[i] : '\uFFFD');
        }
        return clean.ToString();
    }
}
