using System.Xml.Linq;

namespace Peft.Report;

/// <summary>The frame of all pages.</summary>
internal static class HtmlPage
{
    /// <summary>A page with the style of all pages, in light and dark.</summary>
    public static string Of(string title, params object?[] body)
    {
        using var stream = typeof(HtmlPage).Assembly.GetManifestResourceStream("report.css")!;
        using var css = new StreamReader(stream);
        var page = Markup.Tag("html", Markup.With("lang", "en"),
            Markup.Tag("head",
                Markup.Tag("meta", Markup.With("charset", "utf-8")),
                Markup.Tag("meta", Markup.With("name", "viewport"), Markup.With("content", "width=device-width, initial-scale=1")),
                Markup.Tag("meta", Markup.With("name", "color-scheme"), Markup.With("content", "light dark")),
                Markup.Tag("title", title),
                Markup.Tag("style", css.ReadToEnd())),
            Markup.Tag("body", Markup.Tag("main", body)));
        return "<!doctype html>\n" + page.ToString(SaveOptions.DisableFormatting) + "\n";
    }
}
