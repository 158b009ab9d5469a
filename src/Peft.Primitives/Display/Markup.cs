using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace Peft;

/// <summary>Elements of HTML and SVG. As they are made of XML, every text is escaped by construction.</summary>
internal static class Markup
{
    private static readonly string[] Void = ["meta", "br", "path", "line", "rect", "circle"];

    /// <summary>An element of attributes (<see cref="With"/>), texts and elements.</summary>
    public static XElement Tag(string name, params object?[] content)
    {
        var element = new XElement(name, content.Select(Clean).ToArray());
        if (element.IsEmpty && !Void.Contains(name)) element.Add("");   // <td/> would be an open <td> in HTML
        return element;
    }

    /// <summary>An attribute.</summary>
    public static XAttribute With(string name, object value)
        => new(name, value is double number ? Coordinate(number) : (string)Clean(Convert.ToString(value, CultureInfo.InvariantCulture))!);

    /// <summary>A number of a drawing: at most two decimals.</summary>
    public static string Coordinate(double value) => Math.Round(value, 2).ToString(CultureInfo.InvariantCulture);

    /// <summary>An element of a class.</summary>
    public static XElement Classed(string name, string style, params object?[] content) => Tag(name, [With("class", style), .. content]);

    /// <summary>A table. Numbers stand to the right.</summary>
    /// <param name="header">Names of the columns.</param>
    /// <param name="rows">A text, an element or a number for each column.</param>
    public static XElement Table(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<object?>> rows)
    {
        var lines = rows.ToList();
        var numbers = Enumerable.Range(0, header.Count).Select(i => lines.Exists(row => row[i] is long or int)).ToList();
        return Tag("table",
            header.All(string.IsNullOrEmpty) ? null : Tag("thead", Tag("tr", header.Select((name, i) => Cell("th", name, numbers[i])))),
            Tag("tbody", lines.Select(row => Tag("tr", row.Select((cell, i) => Cell("td", cell, numbers[i]))))));
    }

    /// <summary>A part that is folded until a reader opens it.</summary>
    public static XElement Folded(string title, params object?[] content) => Tag("details", Tag("summary", Classed("span", "quiet", title)), content);

    /// <summary>A number as people read it: 12,288 or 0.0314.</summary>
    public static string Number(double value) => value.ToString(Math.Abs(value) is >= 1e-3 and < 1e6 ? "#,0.####" : "0.###e+0", CultureInfo.InvariantCulture) is var text && value == 0 ? "0" : text;

    /// <summary>A whole number.</summary>
    public static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static XElement Cell(string tag, object? content, bool isNumber)
    {
        var shown = content switch { long whole => Number(whole), int whole => Number(whole), _ => content };
        return isNumber ? Classed(tag, "number", shown) : Tag(tag, shown);
    }

    // XML cannot hold control characters or half of a surrogate pair.
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
