using System.Xml.Linq;

namespace Peft;

/// <summary>Displays values of a type as HTML. .NET Interactive finds the members by their names.</summary>
/// <typeparam name="T">The type, which has a <see cref="TypeFormatterSourceAttribute"/>.</typeparam>
internal abstract class HtmlDisplay<T>
{
    // Colors are those of the page, which may be light or dark; the two accents are readable on both.
    private const string Style = """
        .peft{font-size:13px;line-height:1.5;max-width:760px}
        .peft table{border-collapse:collapse;margin:4px 0;font-size:inherit}
        .peft th,.peft td{text-align:left;vertical-align:top;padding:2px 14px 2px 0;border:0;background:none;white-space:pre-wrap;overflow-wrap:break-word}
        .peft th{font-weight:600;white-space:nowrap;border-bottom:1px solid rgba(128,128,128,.4)}
        .peft tr{background:none!important}
        .peft .number{text-align:right;font-variant-numeric:tabular-nums}
        .peft .quiet{opacity:.65}
        .peft .accent{color:#1f8f6a;font-weight:600}
        .peft details details,.peft .leaf{margin-left:14px}
        .peft .leaf{padding-left:14px}
        .peft summary{cursor:pointer}
        .peft .row{display:inline-flex;gap:10px;width:calc(100% - 20px)}
        .peft .row .quiet{white-space:nowrap}
        .peft .leaf .row{width:calc(100% - 4px)}
        .peft .row .number{margin-left:auto}
        .peft svg{display:block;width:100%;max-width:520px;height:auto;color:inherit}
        .peft svg text{fill:currentColor;font-size:11px;opacity:.7}
        .peft svg path{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}
        .peft svg circle{fill:var(--c)}
        .peft svg .end{text-anchor:end}
        .peft svg .middle{text-anchor:middle}
        .peft svg .loss,.peft svg .raw{--c:#3b82d6}
        .peft svg .raw{opacity:.35;stroke-width:1}
        .peft svg .evaluation{--c:#d97a1f}
        .peft svg .grid{stroke:currentColor;opacity:.15}
        .peft ins{text-decoration:none;background:rgba(46,160,110,.28);border-radius:2px}
        .peft del{background:rgba(220,80,60,.25);border-radius:2px}
        """;

    public string MimeType { get; } = "text/html";

    public IEnumerable<object> CreateTypeFormatters() => [this];

    public bool Format(object instance, TextWriter writer)
    {
        if (instance is not T value) return false;
        var content = Markup.Tag("div", Markup.With("class", "peft"), Markup.Tag("style", Style), Render(value));
        writer.Write(content.ToString(SaveOptions.DisableFormatting));
        return true;
    }

    /// <summary>Returns the content: elements and strings, as in <see cref="Markup.Tag"/>.</summary>
    protected abstract IEnumerable<object?> Render(T value);
}
