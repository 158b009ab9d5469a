using System.Globalization;
using System.Numerics;

namespace Peft.Tokenizers.Jinja;

/// <summary>Formats and parses numbers as Python does.</summary>
internal static class NumberText
{
    // The smallest positive double is 2^-1074.
    private const int MaxDecimals = 1074;

    /// <summary>Python's <c>repr</c> of a float: the shortest text that parses to the same value, with a point or an exponent.</summary>
    public static string Of(double number)
    {
        if (double.IsNaN(number)) return "nan";
        if (double.IsInfinity(number)) return number > 0 ? "inf" : "-inf";
        var shortest = number.ToString("R", CultureInfo.InvariantCulture);
        var digits = new string([.. shortest.TakeWhile(c => c != 'E').Where(char.IsAsciiDigit)]).TrimStart('0').TrimEnd('0');
        if (digits.Length == 0) digits = "0";
        var exponent = number == 0 ? 0 : Exponent(shortest);
        var sign = double.IsNegative(number) ? "-" : "";
        if (exponent is < -4 or >= 16)
            return $"{sign}{digits[0]}{(digits.Length > 1 ? "." + digits[1..] : "")}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        if (exponent < 0) return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        var whole = digits.Length > exponent + 1 ? digits[..(exponent + 1)] : digits.PadRight(exponent + 1, '0');
        return $"{sign}{whole}.{(digits.Length > exponent + 1 ? digits[(exponent + 1)..] : "0")}";
    }

    /// <summary>A float with a fixed number of decimals, rounded half to even by its exact value.</summary>
    public static string Fixed(double number, int decimals)
    {
        if (!double.IsFinite(number)) return Of(number);
        // All later digits are 0, but computing them takes very long.
        if (decimals > MaxDecimals) return Fixed(number, MaxDecimals) + new string('0', decimals - MaxDecimals);
        var bits = BitConverter.DoubleToInt64Bits(number);
        var power = (int)((bits >> 52) & 0x7FF);
        var mantissa = new BigInteger((bits & 0xF_FFFF_FFFF_FFFF) | (power == 0 ? 0 : 1L << 52));
        power = Math.Max(power, 1) - 1075;
        var numerator = mantissa * BigInteger.Pow(10, decimals);
        var rounded = numerator << Math.Max(power, 0);
        if (power < 0)
        {
            var divisor = BigInteger.One << -power;
            rounded = BigInteger.DivRem(numerator, divisor, out var rest);
            var half = (rest * 2).CompareTo(divisor);
            if (half > 0 || (half == 0 && !rounded.IsEven)) rounded += 1;
        }
        var digits = rounded.ToString(CultureInfo.InvariantCulture).PadLeft(decimals + 1, '0');
        var sign = double.IsNegative(number) ? "-" : "";
        return decimals == 0 ? sign + digits : $"{sign}{digits[..^decimals]}.{digits[^decimals..]}";
    }

    /// <summary>A float as formatted by <c>%e</c>.</summary>
    public static string Scientific(double number, int decimals)
    {
        if (!double.IsFinite(number)) return Of(number);
        var text = number.ToString("E" + Math.Min(decimals, MaxDecimals), CultureInfo.InvariantCulture);
        var at = text.IndexOf('E', StringComparison.Ordinal);
        return $"{text[..at]}{new string('0', Math.Max(0, decimals - MaxDecimals))}e{text[at + 1]}{int.Parse(text.AsSpan(at + 2), CultureInfo.InvariantCulture):00}";
    }

    /// <summary>Python's <c>int(text, radix)</c>, where radix 0 uses the prefix of the string; null if it is not an integer, or exceeds 64 bits.</summary>
    public static long? ParseInteger(string text, int radix)
    {
        text = PythonText.Strip(text, null, true, true).ToLowerInvariant();
        var negative = text.StartsWith('-');
        if (negative || text.StartsWith('+')) text = text[1..];
        var prefix = text.Length > 1 && text[0] == '0' ? text[1] switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 0 } : 0;
        if (prefix != 0 && (radix == 0 || radix == prefix)) (text, radix) = (text[2..].TrimStart('_'), prefix);
        if (radix == 0) radix = 10;
        if (text.Length == 0 || text.StartsWith('_') || text.EndsWith('_') || text.Contains("__", StringComparison.Ordinal)) return null;
        Int128 value = 0;
        foreach (var c in text)
        {
            if (c == '_') continue;
            var digit = char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetterLower(c) ? c - 'a' + 10 : 99;
            if (digit >= radix) return null;
            value = value * radix + digit;
            if (value > (Int128)long.MaxValue + 1) return null;
        }
        if (negative) value = -value;
        return value > long.MaxValue ? null : (long)value;
    }

    /// <summary>Python's <c>float(text)</c>; null if it is not a number.</summary>
    public static double? ParseFloat(string text)
    {
        text = PythonText.Strip(text, null, true, true).ToLowerInvariant();
        var unsigned = text.TrimStart('+', '-');
        if (text.Length - unsigned.Length > 1) return null;
        var sign = text.StartsWith('-') ? -1 : 1;
        if (unsigned is "inf" or "infinity") return sign * double.PositiveInfinity;
        if (unsigned == "nan") return double.NaN;
        if (unsigned.Length == 0 || (!char.IsAsciiDigit(unsigned[0]) && unsigned[0] != '.')) return null;
        return double.TryParse(unsigned.Replace("_", "", StringComparison.Ordinal), NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out var value) ? sign * value : null;
    }

    private static int Exponent(string shortest)
    {
        if (shortest.IndexOf('E', StringComparison.Ordinal) is >= 0 and var at) return int.Parse(shortest.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        var plain = shortest.TrimStart('-');
        var point = plain.IndexOf('.', StringComparison.Ordinal);
        var whole = point < 0 ? plain : plain[..point];
        if (whole != "0") return whole.Length - 1;
        return -plain[(point + 1)..].TakeWhile(c => c == '0').Count() - 1;
    }
}
