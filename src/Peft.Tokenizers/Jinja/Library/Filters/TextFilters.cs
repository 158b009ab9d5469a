using System.Text;
using System.Text.RegularExpressions;

namespace Peft.Tokenizers.Jinja;

/// <summary>Filters that return strings.</summary>
internal static partial class TextFilters
{
    public static readonly Dictionary<string, Filter> All = new()
    {
        ["trim"] = (frame, value, arguments) => PythonText.Strip(frame.Run.Text(value), arguments.Bind("trim", 0, "chars").Text(0, null), true, true),
        ["upper"] = (frame, value, _) => PythonText.Upper(frame.Run.Text(value)),
        ["lower"] = (frame, value, _) => PythonText.Lower(frame.Run.Text(value)),
        ["capitalize"] = (frame, value, _) => PythonText.Capitalize(frame.Run.Text(value)),
        ["title"] = (frame, value, _) => Title(frame.Run, frame.Run.Text(value)),
        ["string"] = (frame, value, _) => frame.Run.Text(value),
        // There is no autoescaping, so marking a string as safe has no effect.
        ["safe"] = (frame, value, _) => frame.Run.Text(value),
        ["escape"] = (frame, value, _) => Escape(frame.Run, frame.Run.Text(value)),
        ["e"] = (frame, value, _) => Escape(frame.Run, frame.Run.Text(value)),
        ["tojson"] = (frame, value, arguments) => JsonText.Of(frame.Run, value, arguments),
        ["replace"] = (frame, value, arguments) => Replace(frame.Run, value, arguments.Bind("replace", 2, "old", "new", "count")),
        ["indent"] = (frame, value, arguments) => Indent(frame.Run, frame.Run.Text(value), arguments.Bind("indent", 0, "width", "first", "blank")),
        ["join"] = (frame, value, arguments) => Join(frame.Run, value, arguments.Bind("join", 0, "d", "attribute")),
        ["format"] = (frame, value, arguments) => Format(frame.Run, frame.Run.Text(value), arguments),
        ["center"] = (frame, value, arguments) => Center(frame, value, arguments),
        ["wordcount"] = (frame, value, _) => (long)Words().Count(frame.Run.Text(value)),
    };

    private static string Title(RenderRun run, string text)
    {
        // Each word becomes at least one string before they are joined.
        run.Charge(32L * text.Length);
        return string.Concat(WordBeginning().Split(text).Select(PythonText.Capitalize));
    }

    // Five passes, each of which may create a new string. The last one can be five times as long.
    private static string Escape(RenderRun run, string text) => Charged(run, text).Replace("&", "&amp;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal)
        .Replace("<", "&lt;", StringComparison.Ordinal).Replace("'", "&#39;", StringComparison.Ordinal).Replace("\"", "&#34;", StringComparison.Ordinal);

    private static string Charged(RenderRun run, string text)
    {
        run.Charge(text.AsSpan().ContainsAny("&<>'\"") ? 10L * text.Length : 0);
        return text;
    }

    private static string Replace(RenderRun run, object? value, BoundArguments arguments)
        => StringMethods.Replace(run, run.Text(value), run.Text(arguments[0]), run.Text(arguments[1]), arguments[2] is null ? -1 : arguments.Integer(2, -1));

    private static string Indent(RenderRun run, string text, BoundArguments arguments)
    {
        var indention = arguments[0] as string ?? new string(' ', (int)Math.Clamp(arguments.Integer(0, 4), 0, 10_000));
        var result = new StringBuilder();
        var lines = (text + "\n").Split('\n');
        // The appended line break ends the last line but does not begin another one.
        for (var i = 0; i < lines.Length - 1; i++)
        {
            var indents = i == 0 ? arguments.Flag(1) : lines[i].Length > 0 || arguments.Flag(2);
            run.Charge(indention.Length + lines[i].Length);
            if (i > 0) result.Append('\n');
            if (indents) result.Append(indention);
            result.Append(lines[i]);
        }
        return result.ToString();
    }

    private static string Join(RenderRun run, object? value, BoundArguments arguments)
    {
        var attribute = arguments[1] is null ? null : new AttributePath(arguments[1]);
        return StringMethods.Join(run, run.Text(arguments.Has(0) ? arguments[0] : ""), run.Iterate(value).Select(item => (object?)run.Text(attribute is null ? item : attribute.Of(run, item))));
    }

    private static string Format(RenderRun run, string format, Arguments arguments)
    {
        if (arguments.Positional.Count > 0 && arguments.Named.Count > 0) throw new ChatTemplateException("The format filter accepts positional or keyword arguments, but not both.");
        return PercentFormat.Apply(run, format, arguments.Named.Count > 0 ? PyDict.From(arguments.Named) : new PyTuple(arguments.Positional));
    }

    private static object? Center(Frame frame, object? value, Arguments arguments)
    {
        var width = arguments.Bind("center", 0, "width").Integer(0, 80);
        return ((ICallable)Members.Attribute(frame.Run, frame.Run.Text(value), "center")!).Call(frame, new([width], []));
    }

    [GeneratedRegex(@"([-\s({\[<]+)")]
    private static partial Regex WordBeginning();

    [GeneratedRegex(@"\w+")]
    private static partial Regex Words();
}
