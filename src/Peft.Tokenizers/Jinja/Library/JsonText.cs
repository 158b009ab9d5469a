using System.Globalization;
using System.Text;

namespace Peft.Tokenizers.Jinja;

/// <summary>The <c>tojson</c> filter of transformers: Python's <c>json.dumps</c> without ASCII and HTML escaping.</summary>
internal sealed class JsonText
{
    private readonly RenderRun run;
    private readonly bool ascii;
    private readonly bool sorted;
    private readonly string? indent;
    private readonly string itemSeparator;
    private readonly string keySeparator;
    private readonly StringBuilder result = new();

    private JsonText(RenderRun run, BoundArguments arguments)
    {
        this.run = run;
        ascii = arguments.Flag(0);
        indent = arguments[1] switch
        {
            null => null,
            string text => text,
            _ => new string(' ', (int)Math.Clamp(arguments.Integer(1, 0), 0, 1000)),
        };
        (itemSeparator, keySeparator) = (indent is null ? ", " : ",", ": ");
        if (arguments[2] is not null)
        {
            if (arguments[2] is not PySequence { Count: 2 } pair || pair[0] is not string item || pair[1] is not string key)
                throw new ChatTemplateException("tojson: separators must be two strings.");
            (itemSeparator, keySeparator) = (item, key);
        }
        sorted = arguments.Flag(3);
    }

    public static string Of(RenderRun run, object? value, Arguments arguments)
    {
        var writer = new JsonText(run, arguments.Bind("tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys"));
        writer.Write(value, 0);
        return writer.result.ToString();
    }

    private void Write(object? value, int depth)
    {
        run.Step();
        switch (value)
        {
            case string text: Quote(text); break;
            case null: result.Append("null"); break;
            case bool flag: result.Append(flag ? "true" : "false"); break;
            case long number: result.Append(number.ToString(CultureInfo.InvariantCulture)); break;
            case double number: result.Append(Float(number)); break;
            case PyDict dict:
                var pairs = sorted ? Comparisons.Sorted(run, dict, pair => pair.Key, descending: false) : dict.AsEnumerable();
                WriteItems('{', '}', pairs, depth, pair =>
                {
                    Quote(Key(pair.Key));
                    Separate(keySeparator);
                    Write(pair.Value, depth + 1);
                });
                break;
            case PyList or PyTuple:
                WriteItems('[', ']', (PySequence)value, depth, item => Write(item, depth + 1));
                break;
            default:
                throw new ChatTemplateException($"tojson: '{TypeName.Of(value)}' is not JSON.");
        }
    }

    private void WriteItems<T>(char begin, char end, IEnumerable<T> items, int depth, Action<T> write)
    {
        result.Append(begin);
        var any = false;
        foreach (var item in items)
        {
            if (any) Separate(itemSeparator);
            any = true;
            BreakLine(depth + 1);
            write(item);
        }
        if (any) BreakLine(depth);
        result.Append(end);
        run.Charge(2);
    }

    private void Separate(string separator)
    {
        run.Charge(separator.Length);
        result.Append(separator);
    }

    private void BreakLine(int depth)
    {
        if (indent is null) return;
        run.Charge((long)indent.Length * depth + 1);
        result.Append('\n').Insert(result.Length, indent, depth);
    }

    private static string Key(object? key) => key switch
    {
        string text => text,
        null => "null",
        bool flag => flag ? "true" : "false",
        long number => number.ToString(CultureInfo.InvariantCulture),
        double number => Float(number),
        _ => throw new ChatTemplateException($"tojson: '{TypeName.Of(key)}' cannot be a key."),
    };

    private static string Float(double number) => double.IsNaN(number) ? "NaN" : double.IsInfinity(number) ? number > 0 ? "Infinity" : "-Infinity" : NumberText.Of(number);

    private void Quote(string text)
    {
        run.Look(text.Length);
        result.Append('"');
        var charged = result.Length;
        foreach (var c in text)
        {
            // An escape sequence has up to six characters, so the total is unknown in advance.
            if (result.Length - charged >= 4096) Charge();
            switch (c)
            {
                case '"': result.Append("\\\""); break;
                case '\\': result.Append("\\\\"); break;
                case '\n': result.Append("\\n"); break;
                case '\r': result.Append("\\r"); break;
                case '\t': result.Append("\\t"); break;
                case '\b': result.Append("\\b"); break;
                case '\f': result.Append("\\f"); break;
                case < ' ': case > '~' when ascii: result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"); break;
                default: result.Append(c); break;
            }
        }
        result.Append('"');
        Charge();

        void Charge()
        {
            run.Charge(result.Length - charged);
            charged = result.Length;
        }
    }
}
