using System.Text;
using System.Text.RegularExpressions;

namespace Peft.Tokenizers.Jinja;

/// <summary>Python's <c>%</c> formatting.</summary>
internal static partial class PercentFormat
{
    public static string Apply(RenderRun run, string format, object? argument)
    {
        var arguments = argument as PyTuple;
        var next = 0;
        var result = new StringBuilder();
        var at = 0;
        for (var sign = format.IndexOf('%', StringComparison.Ordinal); sign >= 0; sign = format.IndexOf('%', at))
        {
            run.Step();
            result.Append(format, at, sign - at);
            var match = Conversion().Match(format, sign);
            if (!match.Success) throw new ChatTemplateException($"The format '{Excerpt.Of(format)}' has a '%' that does not begin a conversion.");
            at = sign + match.Length;
            var type = match.Groups["type"].Value[0];
            if (type == '%')
            {
                result.Append('%');
                continue;
            }
            var value = match.Groups["key"].Success ? Named(argument, match.Groups["key"].Value) : Positional();
            result.Append(Convert(run, match, type, value));
        }
        result.Append(format, at, format.Length - at);
        if (arguments is not null ? next < arguments.Count : next == 0 && argument is not (PyDict or PyList))
            throw new ChatTemplateException("Not all arguments were used by the format.");
        return result.ToString();

        object? Positional()
        {
            var index = next++;
            if (arguments is null ? index > 0 : index >= arguments.Count) throw new ChatTemplateException("There are not enough arguments for the format.");
            return arguments is null ? argument : arguments[index];
        }
    }

    private static string Convert(RenderRun run, Match match, char type, object? value)
    {
        var flags = match.Groups["flags"].Value;
        var spec = FormatSpec.Parse(match.Groups["width"].Value + (match.Groups["precision"].Success ? "." + match.Groups["precision"].Value.PadLeft(1, '0') : "")) with
        {
            Align = flags.Contains('-') ? '<' : flags.Contains('0') && type is not ('s' or 'r' or 'a' or 'c') ? '=' : '>',
            Fill = flags.Contains('0') && !flags.Contains('-') && type is not ('s' or 'r' or 'a' or 'c') ? '0' : ' ',
            Sign = flags.Contains('+') ? '+' : flags.Contains(' ') ? ' ' : '-',
            Alternate = flags.Contains('#'),
        };
        switch (type)
        {
            case 's':
                return (spec with { Type = 's' }).Format(run, run.Text(value));
            case 'r' or 'a':
                return (spec with { Type = 's' }).Format(run, Printer.Represent(run, value));
            case 'c':
                return spec.Format(run, value is string { Length: 1 or 2 } ? value : (new FormatSpec { Type = 'c' }).Format(run, value));
            case 'd' or 'i' or 'u':
                if (value is double real) value = double.IsFinite(real) && Math.Abs(real) < 9e18 ? (long)real : throw new ChatTemplateException("The float does not fit into a 64-bit integer.");
                return (spec with { Type = 'd', Precision = null }).Format(run, Number(value, type));
            default:
                return (spec with { Type = type, Precision = spec.Precision }).Format(run, Number(value, type));
        }
    }

    private static object Number(object? value, char type) => value switch
    {
        bool or long or double => value,
        Undefined undefined => throw undefined.Error(),
        _ => throw new ChatTemplateException($"%{type} requires a number, not '{TypeName.Of(value)}'."),
    };

    private static object? Named(object? argument, string key)
        => argument is PyDict dict && dict.TryGet(key, out var value) ? value : throw new ChatTemplateException($"The format names '{Excerpt.Of(key)}', which the argument does not have.");

    [GeneratedRegex(@"\G%(?:\((?<key>[^)]*)\))?(?>(?<flags>[-+ #0]*)(?<width>[0-9]*))(?:\.(?<precision>[0-9]*))?[hlL]?(?<type>[diouxXeEfFgGcrsa%])")]
    private static partial Regex Conversion();
}
