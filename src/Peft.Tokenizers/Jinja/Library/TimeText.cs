using System.Globalization;
using System.Text;

namespace Peft.Tokenizers.Jinja;

/// <summary>Python's <c>strftime</c> in the C locale.</summary>
internal static class TimeText
{
    public static string Of(RenderRun run, string format)
    {
        run.Charge(12L * format.Length);   // %c has 24 characters
        var time = run.Clock.GetLocalNow();
        var result = new StringBuilder();
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                result.Append(format[i]);
                continue;
            }
            var unpadded = format[++i] == '-' && i + 1 < format.Length;
            if (unpadded) i++;
            var part = Part(time, format[i]);
            result.Append(unpadded && part.TrimStart('0', ' ') is var trimmed ? trimmed.Length > 0 ? trimmed : "0" : part);
        }
        return result.ToString();
    }

    private static string At(DateTimeOffset time, string format) => time.ToString(format, CultureInfo.InvariantCulture);

    private static string Part(DateTimeOffset time, char code) => code switch
    {
        'Y' => At(time, "yyyy"),
        'y' => At(time, "yy"),
        'm' => At(time, "MM"),
        'd' => At(time, "dd"),
        'e' => time.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
        'H' => At(time, "HH"),
        'I' => At(time, "hh"),
        'M' => At(time, "mm"),
        'S' => At(time, "ss"),
        'f' => At(time, "ffffff"),
        'p' => At(time, "tt"),
        'B' => At(time, "MMMM"),
        'b' or 'h' => At(time, "MMM"),
        'A' => At(time, "dddd"),
        'a' => At(time, "ddd"),
        'j' => time.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
        'w' => ((int)time.DayOfWeek).ToString(CultureInfo.InvariantCulture),
        'u' => (time.DayOfWeek == DayOfWeek.Sunday ? 7 : (int)time.DayOfWeek).ToString(CultureInfo.InvariantCulture),
        'D' or 'x' => At(time, "MM'/'dd'/'yy"),
        'F' => At(time, "yyyy'-'MM'-'dd"),
        'T' or 'X' => At(time, "HH':'mm':'ss"),
        'R' => At(time, "HH':'mm"),
        'c' => At(time, "ddd MMM ") + Part(time, 'e') + At(time, " HH':'mm':'ss yyyy"),
        // In transformers, the time has no time zone.
        'z' or 'Z' => "",
        'n' => "\n",
        't' => "\t",
        '%' => "%",
        _ => throw new ChatTemplateException($"strftime_now: '%{code}' is not supported."),
    };
}
