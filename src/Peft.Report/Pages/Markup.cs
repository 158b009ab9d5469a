using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace Peft.Report;

/// <summary>Elements of a page. As they are made of XML, every text is escaped by construction.</summary>
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

    public static XAttribute With(string name, object value) => new(name, value is double number ? Coordinate(number) : (string)Clean(Convert.ToString(value, CultureInfo.InvariantCulture))!);

    /// <summary>A number of a drawing: at most two decimals.</summary>
    public static string Coordinate(double value) => Math.Round(value, 2).ToString(CultureInfo.InvariantCulture);

    /// <summary>A page with the style of all pages, in light and dark.</summary>
    public static string Page(string title, params object?[] body)
    {
        using var stream = typeof(Markup).Assembly.GetManifestResourceStream("report.css")!;
        using var css = new StreamReader(stream);
        var page = Tag("html", With("lang", "en"),
            Tag("head",
                Tag("meta", With("charset", "utf-8")),
                Tag("meta", With("name", "viewport"), With("content", "width=device-width, initial-scale=1")),
                Tag("meta", With("name", "color-scheme"), With("content", "light dark")),
                Tag("title", title),
                Tag("style", css.ReadToEnd())),
            Tag("body", Tag("main", body)));
        return "<!doctype html>\n" + page.ToString(SaveOptions.DisableFormatting) + "\n";
    }

    // XML, and so this page, cannot hold control characters or half of a surrogate pair.
    private static object? Clean(object? content)
    {
        if (content is IEnumerable<object?> several) return several.Select(Clean).ToArray();
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
