using System.Text;

namespace Peft.Tokenizers.Jinja;

/// <summary>The methods of Python's strings.</summary>
internal static class StringMethods
{
    private delegate object? Method(RenderRun run, string text, Arguments arguments);

    private static readonly Dictionary<string, Method> Methods = new()
    {
        ["strip"] = (_, text, arguments) => PythonText.Strip(text, arguments.Bind("strip", 0, "chars").Text(0, null), true, true),
        ["lstrip"] = (_, text, arguments) => PythonText.Strip(text, arguments.Bind("lstrip", 0, "chars").Text(0, null), true, false),
        ["rstrip"] = (_, text, arguments) => PythonText.Strip(text, arguments.Bind("rstrip", 0, "chars").Text(0, null), false, true),
        ["split"] = (run, text, arguments) => Split(run, text, arguments.Bind("split", 0, "sep", "maxsplit"), TextSplitter.FromLeft),
        ["rsplit"] = (run, text, arguments) => Split(run, text, arguments.Bind("rsplit", 0, "sep", "maxsplit"), TextSplitter.FromRight),
        ["splitlines"] = (run, text, arguments) => List(run, TextSplitter.Lines(text, arguments.Bind("splitlines", 0, "keepends").Flag(0))),
        ["partition"] = (run, text, arguments) => Partition(run, text, arguments.Bind("partition", 1, "sep").Text(0), last: false),
        ["rpartition"] = (run, text, arguments) => Partition(run, text, arguments.Bind("rpartition", 1, "sep").Text(0), last: true),
        ["startswith"] = (run, text, arguments) => Has(run, text, arguments.Bind("startswith", 1, "prefix", "start", "end"), atStart: true),
        ["endswith"] = (run, text, arguments) => Has(run, text, arguments.Bind("endswith", 1, "suffix", "start", "end"), atStart: false),
        ["removeprefix"] = (_, text, arguments) => arguments.Bind("removeprefix", 1, "prefix").Text(0) is var prefix && text.StartsWith(prefix, StringComparison.Ordinal) ? text[prefix.Length..] : text,
        ["removesuffix"] = (_, text, arguments) => arguments.Bind("removesuffix", 1, "suffix").Text(0) is var suffix && text.EndsWith(suffix, StringComparison.Ordinal) ? text[..^suffix.Length] : text,
        ["upper"] = (_, text, arguments) => Plain(arguments, "upper", PythonText.Upper(text)),
        ["lower"] = (_, text, arguments) => Plain(arguments, "lower", PythonText.Lower(text)),
        ["casefold"] = (_, text, arguments) => Plain(arguments, "casefold", PythonText.Lower(text)),
        ["title"] = (_, text, arguments) => Plain(arguments, "title", PythonText.Title(text)),
        ["capitalize"] = (_, text, arguments) => Plain(arguments, "capitalize", PythonText.Capitalize(text)),
        ["replace"] = (run, text, arguments) => arguments.Bind("replace", 2, "old", "new", "count") is var bound ? Replace(run, text, bound.Text(0), bound.Text(1), bound.Integer(2, -1)) : null,
        ["find"] = (_, text, arguments) => Find(text, arguments.Bind("find", 1, "sub", "start", "end"), last: false),
        ["rfind"] = (_, text, arguments) => Find(text, arguments.Bind("rfind", 1, "sub", "start", "end"), last: true),
        ["index"] = (_, text, arguments) => Find(text, arguments.Bind("index", 1, "sub", "start", "end"), last: false) is >= 0 and var at ? at : throw new ChatTemplateException("index(): the substring was not found."),
        ["count"] = (_, text, arguments) => Count(text, arguments.Bind("count", 1, "sub").Text(0)),
        ["join"] = (run, text, arguments) => Join(run, text, arguments.Bind("join", 1, "iterable")[0]),
        ["format"] = (run, text, arguments) => BraceFormat.Apply(run, text, arguments),
        ["zfill"] = (run, text, arguments) => new FormatSpec { Fill = '0', Align = '=', Width = Width(run, arguments.Bind("zfill", 1, "width"), 0) }.Pad(text),
        ["center"] = (run, text, arguments) => Justify(run, text, arguments.Bind("center", 1, "width", "fillchar"), '^'),
        ["ljust"] = (run, text, arguments) => Justify(run, text, arguments.Bind("ljust", 1, "width", "fillchar"), '<'),
        ["rjust"] = (run, text, arguments) => Justify(run, text, arguments.Bind("rjust", 1, "width", "fillchar"), '>'),
        ["isdigit"] = (_, text, _) => All(text, rune => Rune.GetUnicodeCategory(rune) == System.Globalization.UnicodeCategory.DecimalDigitNumber),
        ["isdecimal"] = (_, text, _) => All(text, rune => Rune.GetUnicodeCategory(rune) == System.Globalization.UnicodeCategory.DecimalDigitNumber),
        ["isnumeric"] = (_, text, _) => All(text, Rune.IsNumber),
        ["isalpha"] = (_, text, _) => All(text, Rune.IsLetter),
        ["isalnum"] = (_, text, _) => All(text, rune => Rune.IsLetter(rune) || Rune.IsNumber(rune)),
        ["isspace"] = (_, text, _) => text.Length > 0 && text.All(PythonText.IsSpace),
        ["isupper"] = (_, text, _) => IsUpper(text),
        ["islower"] = (_, text, _) => IsLower(text),
    };

    public static Function? Find(string text, string name)
        => Methods.TryGetValue(name, out var method)
            ? new Function(name, (frame, arguments) =>
            {
                // The searched string may be any of the arguments.
                frame.Run.Search(text, arguments.Positional.Concat(arguments.Named.Values).OfType<string>().MaxBy(each => each.Length) ?? "");
                return method(frame.Run, text, arguments) is var result && result is string made ? frame.Run.Made(made) : result;
            })
            : null;

    public static bool IsUpper(string text) => text.EnumerateRunes().Any(Rune.IsUpper) && !text.EnumerateRunes().Any(Rune.IsLower);

    public static bool IsLower(string text) => text.EnumerateRunes().Any(Rune.IsLower) && !text.EnumerateRunes().Any(Rune.IsUpper);

    public static string Join(RenderRun run, string separator, object? items)
    {
        var result = new StringBuilder();
        var first = true;
        foreach (var item in run.Iterate(items))
        {
            if (item is not string text) throw new ChatTemplateException($"join() requires strings, but an item is '{TypeName.Of(item)}'.");
            run.Charge(text.Length + (first ? 0 : separator.Length));
            if (!first) result.Append(separator);
            first = false;
            result.Append(text);
        }
        return result.ToString();
    }

    /// <summary>Replaces up to <paramref name="count"/> occurrences; all if the count is negative.</summary>
    public static string Replace(RenderRun run, string text, string old, string replacement, long count)
    {
        if (count == 0) return text;
        run.Search(text, old);
        var result = new StringBuilder();
        var at = 0;
        for (var done = 0; count < 0 || done < count; done++)
        {
            run.Step();
            // The empty string matches before each character, and at the end.
            var next = old.Length > 0 ? text.IndexOf(old, at, StringComparison.Ordinal) : done == 0 ? 0 : at < text.Length ? at + PythonText.WidthAt(text, at) : -1;
            if (next < 0) break;
            run.Charge(next - at + replacement.Length);
            result.Append(text, at, next - at).Append(replacement);
            at = next + old.Length;
        }
        return result.Append(text, at, text.Length - at).ToString();
    }

    private static object? Plain(Arguments arguments, string name, string result)
    {
        arguments.Bind(name, 0);
        return result;
    }

    private static PyList List(RenderRun run, IEnumerable<string> items) => new([.. run.Iterate(items)]);

    private static PyList Split(RenderRun run, string text, BoundArguments arguments, Func<string, string?, long, IEnumerable<string>> split)
    {
        var separator = arguments.Text(0, null);
        if (separator == "") throw new ChatTemplateException("split() requires a non-empty separator.");
        run.Charge(text.Length);
        return List(run, split(text, separator, arguments.Integer(1, -1)));
    }

    private static PyTuple Partition(RenderRun run, string text, string separator, bool last)
    {
        if (separator == "") throw new ChatTemplateException("partition() requires a non-empty separator.");
        var at = last ? text.LastIndexOf(separator, StringComparison.Ordinal) : text.IndexOf(separator, StringComparison.Ordinal);
        run.Charge(text.Length);
        if (at < 0) return new(last ? ["", "", text] : [text, "", ""]);
        return new([text[..at], separator, text[(at + separator.Length)..]]);
    }

    private static bool Has(RenderRun run, string text, BoundArguments arguments, bool atStart)
    {
        var part = arguments[1] is null && arguments[2] is null ? text : (string)Slices.Take(run, text, arguments[1], arguments[2], null)!;
        if (arguments[0] is not PyTuple any) return Is(arguments.Text(0));
        return any.Any(each => each is string wanted ? Is(wanted) : throw new ChatTemplateException("startswith() and endswith() require a string or a tuple of strings."));

        bool Is(string wanted) => atStart ? part.StartsWith(wanted, StringComparison.Ordinal) : part.EndsWith(wanted, StringComparison.Ordinal);
    }

    private static long Find(string text, BoundArguments arguments, bool last)
    {
        var wanted = arguments.Text(0);
        var length = PythonText.Length(text);
        var start = PythonText.Utf16Index(text, Position(1, 0));
        var end = PythonText.Utf16Index(text, Position(2, length));
        if (start > end || Position(1, 0) > length) return -1;
        var part = text[start..end];
        var at = last ? part.LastIndexOf(wanted, StringComparison.Ordinal) : part.IndexOf(wanted, StringComparison.Ordinal);
        return at < 0 ? -1 : PythonText.Length(text.AsSpan(0, start + at));

        long Position(int index, long missing)
        {
            var at = arguments[index] is null ? missing : arguments.Integer(index, missing);
            return at < 0 ? Math.Max(0, at + length) : at;
        }
    }

    private static long Count(string text, string part)
    {
        if (part == "") return PythonText.Length(text) + 1;
        var count = 0L;
        for (var at = text.IndexOf(part, StringComparison.Ordinal); at >= 0; at = text.IndexOf(part, at + part.Length, StringComparison.Ordinal)) count++;
        return count;
    }

    private static string Justify(RenderRun run, string text, BoundArguments arguments, char align)
        => new FormatSpec { Fill = arguments.Text(1, " ") is [var fill] ? fill : ' ', Align = align, Width = Width(run, arguments, 0), CentersLeft = align == '^' }.Pad(text);

    private static int Width(RenderRun run, BoundArguments arguments, int index)
    {
        var width = Math.Clamp(arguments.Integer(index, 0), 0, int.MaxValue);
        run.Charge(width);
        return (int)width;
    }

    private static bool All(string text, Func<Rune, bool> holds) => text.Length > 0 && text.EnumerateRunes().All(holds);
}
