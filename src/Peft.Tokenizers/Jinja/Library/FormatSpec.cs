using System.Globalization;
using System.Text.RegularExpressions;

namespace Peft.Tokenizers.Jinja;

/// <summary>A format specification: fill, alignment, sign, width, precision, type.</summary>
internal sealed partial record FormatSpec
{
    public char Fill { get; init; } = ' ';

    /// <summary><c>&lt;</c>, <c>&gt;</c>, <c>^</c>, or <c>=</c> for padding after the sign; null for the default of the value's type.</summary>
    public char? Align { get; init; }

    public char Sign { get; init; } = '-';
    public bool Alternate { get; init; }
    public int Width { get; init; }
    public string Grouping { get; init; } = "";
    public int? Precision { get; init; }
    public char Type { get; init; }

    /// <summary>True to split odd padding as <c>str.center</c> does, unlike format specifications.</summary>
    public bool CentersLeft { get; init; }

    public static FormatSpec Parse(string text)
    {
        var match = Mini().Match(text);
        if (!match.Success || !Size(match.Groups["width"], out var width) || !Size(match.Groups["precision"], out var precision)) throw new ChatTemplateException($"The format '{Excerpt.Of(text)}' is not valid.");
        var zero = match.Groups["zero"].Length > 0;
        return new()
        {
            Fill = match.Groups["fill"].Value is [var fill] ? fill : zero ? '0' : ' ',
            Align = match.Groups["align"].Value is [var align] ? align : zero ? '=' : null,
            Sign = match.Groups["sign"].Value is [var sign] ? sign : '-',
            Alternate = match.Groups["alternate"].Length > 0,
            Width = width ?? 0,
            Grouping = match.Groups["grouping"].Value,
            Precision = precision,
            Type = match.Groups["type"].Value is [var type] ? type : '\0',
        };
    }

    public string Format(RenderRun run, object? value)
    {
        // An upper bound for all copies up to the padded text.
        run.Charge((3L * Width) + (8L * (Precision ?? 0)) + (value is string whole ? whole.Length : 0));
        if (value is string text)
        {
            if (Type is not ('\0' or 's')) throw Wrong(value);
            return Pad(Precision is { } max && PythonText.Length(text) > max ? text[..PythonText.Utf16Index(text, max)] : text);
        }
        if (value is bool && Type == '\0') return Pad(run.Text(value));
        var number = value switch
        {
            long or bool when Type is 'e' or 'E' or 'f' or 'F' or 'g' or 'G' or '%' => Float(Arithmetic.Float(value)),
            long or bool => Integer(Arithmetic.Integer(value)),
            double real => Float(real),
            _ when Type == '\0' => run.Text(value),
            _ => throw Wrong(value),
        };
        if (value is not (bool or long or double)) return Pad(number);
        if (!number.StartsWith('-') && Sign != '-') number = Sign + number;
        return (this with { Align = Align ?? '>' }).Pad(number);
    }

    public string Pad(string text)
    {
        var missing = Width - PythonText.Length(text);
        if (missing <= 0) return text;
        switch (Align ?? '<')
        {
            case '<':
                return text + new string(Fill, missing);
            case '>':
                return new string(Fill, missing) + text;
            case '^':
                var left = missing / 2 + (CentersLeft ? missing & Width & 1 : 0);
                return new string(Fill, left) + text + new string(Fill, missing - left);
            default:
                var sign = text.StartsWith('-') || text.StartsWith('+') || (text.StartsWith(' ') && Sign == ' ') ? 1 : 0;
                return text[..sign] + new string(Fill, missing) + text[sign..];
        }
    }

    private string Integer(long number)
    {
        var digits = Type switch
        {
            '\0' or 'd' or 'i' or 'n' => Digits(number, 10),
            'x' => (Alternate ? "0x" : "") + Digits(number, 16),
            'X' => (Alternate ? "0X" : "") + Digits(number, 16).ToUpperInvariant(),
            'o' => (Alternate ? "0o" : "") + Digits(number, 8),
            'b' => (Alternate ? "0b" : "") + Digits(number, 2),
            'c' => char.ConvertFromUtf32(number is >= 0 and <= 0x10FFFF and not (>= 0xD800 and <= 0xDFFF) ? (int)number : throw Wrong(number)),
            _ => throw Wrong(number),
        };
        return (number < 0 ? "-" : "") + Grouped(digits);
    }

    private string Float(double number)
    {
        var precision = Precision ?? 6;
        var text = Type switch
        {
            'f' or 'F' => NumberText.Fixed(number, precision),
            '%' => NumberText.Fixed(number * 100, precision) + "%",
            'e' => NumberText.Scientific(number, precision),
            'E' => NumberText.Scientific(number, precision).ToUpperInvariant(),
            'g' or 'G' => General(number, Math.Max(precision, 1)),
            '\0' when Precision is null => NumberText.Of(number),
            '\0' => General(number, Math.Max(precision, 1)) is var general && general.All(c => char.IsAsciiDigit(c) || c == '-') ? general + ".0" : General(number, Math.Max(precision, 1)),
            _ => throw Wrong(number),
        };
        return Grouped(text);
    }

    // The shortest text with this number of significant digits, in exponent notation for large and small exponents.
    private static string General(double number, int digits)
    {
        if (!double.IsFinite(number)) return NumberText.Of(number);
        var scientific = NumberText.Scientific(number, digits - 1);
        var at = scientific.IndexOf('e', StringComparison.Ordinal);
        var exponent = int.Parse(scientific.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        if (exponent < -4 || exponent >= digits) return Trimmed(scientific[..at]) + scientific[at..];
        return Trimmed(NumberText.Fixed(number, digits - 1 - exponent));

        static string Trimmed(string text) => text.Contains('.', StringComparison.Ordinal) ? text.TrimEnd('0').TrimEnd('.') : text;
    }

    private string Grouped(string number)
    {
        if (Grouping.Length == 0) return number;
        var start = number.StartsWith('-') ? 1 : 0;
        var end = start;
        while (end < number.Length && char.IsAsciiDigit(number[end])) end++;
        for (var at = end - 3; at > start; at -= 3) number = number.Insert(at, Grouping);
        return number;
    }

    private static string Digits(long number, int radix)
    {
        var rest = (ulong)(number < 0 ? -(Int128)number : number);
        var digits = "";
        do
        {
            digits = "0123456789abcdef"[(int)(rest % (ulong)radix)] + digits;
            rest /= (ulong)radix;
        }
        while (rest > 0);
        return digits;
    }

    private static bool Size(Group group, out int? size)
    {
        size = null;
        if (!group.Success) return true;
        // A precision beyond that of a float only costs time.
        if (!int.TryParse(group.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var value) || value > 1_000_000) return false;
        size = value;
        return true;
    }

    private ChatTemplateException Wrong(object? value) => value is Undefined undefined ? undefined.Error() : new($"The format '{Type}' does not apply to '{TypeName.Of(value)}'.");

    [GeneratedRegex(@"^(?:(?<fill>.)?(?<align>[<>=^]))?(?<sign>[-+ ])?(?<alternate>#)?(?<zero>0)?(?<width>[0-9]+)?(?<grouping>[,_])?(?:\.(?<precision>[0-9]+))?(?<type>[bcdeEfFgGnosxX%])?$", RegexOptions.Singleline)]
    private static partial Regex Mini();
}
