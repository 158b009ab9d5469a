using System.Globalization;
using System.Text;

namespace Peft.Tokenizers.Jinja;

/// <summary>Formats values as Python's <c>str</c> and <c>repr</c> do.</summary>
internal static class Printer
{
    public static string Print(RenderRun run, object? value)
    {
        if (value is string text) return text;
        if (value is Undefined) return "";
        return Represent(run, value);
    }

    public static string Represent(RenderRun run, object? value)
    {
        var result = new StringBuilder();
        Append(run, result, value);
        return result.ToString();
    }

    private static void Append(RenderRun run, StringBuilder to, object? value)
    {
        run.Step();
        run.Charge(32);   // an upper bound for a number, or for brackets and commas
        switch (value)
        {
            case null: to.Append("None"); break;
            case bool flag: to.Append(flag ? "True" : "False"); break;
            case long number: to.Append(number.ToString(CultureInfo.InvariantCulture)); break;
            case double number: to.Append(NumberText.Of(number)); break;
            case string text: Quote(run, to, text); break;
            case Undefined: to.Append("Undefined"); break;
            case PyList list: AppendItems(run, to, "[", list, "]"); break;
            case PyTuple tuple: AppendItems(run, to, "(", tuple, tuple.Count == 1 ? ",)" : ")"); break;
            case PyRange range:
                to.Append(CultureInfo.InvariantCulture, $"range({range.Start}, {range.Stop}{(range.Step == 1 ? "" : $", {range.Step}")})");
                break;
            case PyDict dict: AppendDict(run, to, dict); break;
            case PyDictView view: AppendItems(run, to, view.Kind + "([", view, "])"); break;
            case Namespace attributes:
                to.Append("<Namespace ");
                AppendDict(run, to, PyDict.From(attributes.Values));
                to.Append('>');
                break;
            case Macro macro: to.Append(CultureInfo.InvariantCulture, $"<Macro '{macro.Name}'>"); break;
            default: to.Append(CultureInfo.InvariantCulture, $"<{TypeName.Of(value)} object>"); break;
        }
    }

    private static void AppendItems(RenderRun run, StringBuilder to, string begin, IEnumerable<object?> items, string end)
    {
        to.Append(begin);
        var first = true;
        foreach (var item in items)
        {
            if (!first) to.Append(", ");
            first = false;
            Append(run, to, item);
        }
        to.Append(end);
    }

    private static void AppendDict(RenderRun run, StringBuilder to, PyDict dict)
    {
        to.Append('{');
        var first = true;
        foreach (var (key, value) in dict)
        {
            if (!first) to.Append(", ");
            first = false;
            Append(run, to, key);
            to.Append(": ");
            Append(run, to, value);
        }
        to.Append('}');
    }

    private static void Quote(RenderRun run, StringBuilder to, string text)
    {
        run.Look(text.Length);
        var quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        to.Append(quote);
        var charged = to.Length;
        for (var i = 0; i < text.Length; i++)
        {
            // An escape sequence has up to ten characters, so the total is unknown in advance.
            if (to.Length - charged >= 4096) Charge();
            if (text[i] == quote || text[i] == '\\') to.Append('\\').Append(text[i]);
            else if (text[i] == '\n') to.Append("\\n");
            else if (text[i] == '\r') to.Append("\\r");
            else if (text[i] == '\t') to.Append("\\t");
            else if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1])) AppendPoint(to, char.ConvertToUtf32(text[i], text[++i]));
            else AppendPoint(to, text[i]);
        }
        to.Append(quote);
        Charge();

        void Charge()
        {
            run.Charge(to.Length - charged);
            charged = to.Length;
        }
    }

    private static void AppendPoint(StringBuilder to, int point)
    {
        var printable = point == ' ' || (point is < 0xD800 or > 0xDFFF && Rune.GetUnicodeCategory(new Rune(point)) is not
            (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator));
        if (printable && point < 0x10000) to.Append((char)point);
        else if (printable) to.Append(char.ConvertFromUtf32(point));
        else if (point < 0x100) to.Append(CultureInfo.InvariantCulture, $"\\x{point:x2}");
        else if (point < 0x10000) to.Append(CultureInfo.InvariantCulture, $"\\u{point:x4}");
        else to.Append(CultureInfo.InvariantCulture, $"\\U{point:x8}");
    }
}
