using System.Globalization;
using System.Text;

namespace Peft.Tokenizers.Jinja;

/// <summary>Python's <c>str.format</c>.</summary>
internal static class BraceFormat
{
    public static string Apply(RenderRun run, string format, Arguments arguments)
    {
        var next = 0;
        return Expand(format, 0);

        string Expand(string text, int depth)
        {
            if (depth > 2) throw new ChatTemplateException("The fields of a format are nested too deeply.");
            var result = new StringBuilder();
            for (var i = 0; i < text.Length; i++)
            {
                if (text[i] is not ('{' or '}'))
                {
                    result.Append(text[i]);
                    continue;
                }
                if (i + 1 < text.Length && text[i + 1] == text[i])
                {
                    result.Append(text[i++]);
                    continue;
                }
                var end = text[i] == '{' ? Closing(text, i) : -1;
                if (end < 0) throw new ChatTemplateException($"The format '{Excerpt.Of(text)}' has a single '{text[i]}'.");
                result.Append(Field(text[(i + 1)..end], depth));
                i = end;
            }
            return result.ToString();
        }

        string Field(string field, int depth)
        {
            run.Step();
            var colon = field.IndexOf(':', StringComparison.Ordinal);
            var (name, spec) = colon < 0 ? (field, "") : (field[..colon], Expand(field[(colon + 1)..], depth + 1));
            var conversion = name.Length >= 2 && name[^2] == '!' ? name[^1] : ' ';
            if (conversion != ' ') name = name[..^2];
            var value = Value(name);
            if (conversion is not (' ' or 's' or 'r')) throw new ChatTemplateException($"The conversion '!{conversion}' is not supported.");
            if (conversion == 'r') value = Printer.Represent(run, value);
            if (conversion == 's') value = run.Text(value);
            return FormatSpec.Parse(spec).Format(run, value);
        }

        object? Value(string path)
        {
            var end = path.AsSpan().IndexOfAny('.', '[');
            var name = end < 0 ? path : path[..end];
            object? value;
            if (name.Length == 0 || name.All(char.IsAsciiDigit))
            {
                var index = name.Length == 0 ? next++ : int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var given) ? given : int.MaxValue;
                if (index >= arguments.Positional.Count) throw new ChatTemplateException("There are not enough arguments for the format.");
                value = arguments.Positional[index];
            }
            else if (!arguments.Named.TryGetValue(name, out value))
            {
                throw new ChatTemplateException($"The format names '{name}', which is not among the arguments.");
            }
            for (var at = end < 0 ? path.Length : end; at < path.Length;)
            {
                run.Step();
                // A bracket may contain any characters; a dot is followed by a name.
                var isItem = path[at] == '[';
                var length = isItem ? path.AsSpan(at).IndexOf(']') : path.AsSpan(at + 1).IndexOfAny('.', '[') is >= 0 and var found ? found + 1 : path.Length - at;
                if (length < 1) throw new ChatTemplateException($"The field '{Excerpt.Of(path)}' of a format is not valid.");
                var key = path[(at + 1)..(at + length)];
                value = isItem ? Members.Item(run, value, long.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : key) : Members.Attribute(run, value, key);
                if (value is Undefined undefined) throw undefined.Error();
                at += isItem ? length + 1 : length;
            }
            return value;
        }
    }

    private static int Closing(string text, int open)
    {
        var depth = 0;
        for (var i = open; i < text.Length; i++)
        {
            if (text[i] == '{') depth++;
            if (text[i] == '}' && --depth == 0) return i;
        }
        return -1;
    }
}
