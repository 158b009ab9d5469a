using System.Globalization;
using System.Text;

namespace Peft.Tokenizers;

/// <summary>
/// Translates a regular expression in the syntax of Oniguruma (github.com/kkos/oniguruma, doc/RE) to an equivalent .NET expression.
/// Throws for constructs that have no equivalent.
/// </summary>
internal sealed class OnigurumaPattern
{
    /// <summary>Stand-in for all Chinese characters beyond U+FFFF (see <see cref="RegexPattern"/>).</summary>
    public const char HanStandIn = '\uFA0E';

    // Oniguruma includes the Latin-1 superscripts and fractions.
    private const string Word = @"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\u24B6-\u24E9\u00B2\u00B3\u00B9\u00BC-\u00BE";
    private const string Han = @"\u2E80-\u2E99\u2E9B-\u2EF3\u2F00-\u2FD5\u3005\u3007\u3021-\u3029\u3038-\u303B\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFA6D\uFA70-\uFAD9";

    private readonly string pattern;
    private readonly StringBuilder result = new();
    private readonly Stack<(int Start, bool IgnoreCase)> groups = new();
    private int position;
    private int atom;
    private bool ignoreCase;

    private OnigurumaPattern(string pattern) => this.pattern = pattern;

    /// <summary>The equivalent .NET expression, for <see cref="System.Text.RegularExpressions.RegexOptions.Multiline"/>.</summary>
    public static string Translate(string pattern) => new OnigurumaPattern(pattern).Translate();

    private string Translate()
    {
        while (position < pattern.Length)
        {
            var c = pattern[position];
            if (c is '*' or '+' or '?' || (c == '{' && IntervalEnd() > 0))
            {
                Quantifier();
                continue;
            }
            if (c == '(')
            {
                OpenGroup();
                continue;
            }
            if (c == ')')
            {
                if (!groups.TryPop(out var group))
                    throw Unsupported("a ')' without '('");
                (atom, ignoreCase) = group;
                result.Append(c);
                position++;
                continue;
            }
            atom = result.Length;
            switch (c)
            {
                case '\\':
                    position++;
                    result.Append(Escape(inClass: false));
                    break;
                case '[':
                    result.Append(Class());
                    break;
                default:
                    position++;
                    result.Append(Literal(c));
                    break;
            }
        }
        if (groups.Count > 0)
            throw Unsupported("a '(' without ')'");
        return result.ToString();
    }

    private string Literal(char c)
    {
        if (char.IsSurrogate(c))
            throw Unsupported("a character beyond U+FFFF");
        // The long s folds to s in Unicode, but not in .NET.
        return ignoreCase && c is 's' or 'S' ? "[s\u017F]" : c.ToString();
    }

    private void Quantifier()
    {
        var end = pattern[position] == '{' ? IntervalEnd() : position + 1;
        var quantifier = pattern[position..end];
        if (quantifier.StartsWith("{,", StringComparison.Ordinal))
            quantifier = "{0" + quantifier[1..];
        var interval = quantifier[0] == '{';
        position = end;
        var next = position < pattern.Length ? pattern[position] : '\0';
        if (next == '?')
        {
            if (interval && !quantifier.Contains(','))
                throw Unsupported($"{quantifier}?");
            quantifier += '?';
            position++;
        }
        else if (next == '+' && !interval)
        {
            result.Insert(atom, "(?>").Append(quantifier).Append(')');
            position++;
            return;
        }
        result.Insert(atom, "(?:").Append(')').Append(quantifier);
        // A quantifier may be quantified again, which requires a group in .NET.
        result.Insert(atom, "(?:").Append(')');
    }

    private int IntervalEnd()
    {
        var i = position + 1;
        var digits = false;
        while (i < pattern.Length && (char.IsAsciiDigit(pattern[i]) || pattern[i] == ','))
            digits |= char.IsAsciiDigit(pattern[i++]);
        return digits && i < pattern.Length && pattern[i] == '}' ? i + 1 : -1;
    }

    private void OpenGroup()
    {
        groups.Push((result.Length, ignoreCase));
        if (position + 1 >= pattern.Length || pattern[position + 1] != '?')
        {
            result.Append('(');
            position++;
            return;
        }
        foreach (var opening in (string[])["(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"])
        {
            if (string.CompareOrdinal(pattern, position, opening, 0, opening.Length) == 0)
            {
                result.Append(opening);
                position += opening.Length;
                return;
            }
        }
        var end = position + 2;
        while (end < pattern.Length && pattern[end] is 'i' or 'm' or 'x' or '-')
            end++;
        if (end == position + 2 || end >= pattern.Length || pattern[end] is not (':' or ')'))
            throw Unsupported($"the group {pattern[position..Math.Min(end + 1, pattern.Length)]}");
        var flags = pattern[(position + 2)..end];
        var off = flags.IndexOf('-');
        var i = flags.IndexOf('i');
        if (i >= 0)
            ignoreCase = off < 0 || i < off;
        // The option m of Oniguruma, with which a dot matches a line feed, is s in .NET.
        result.Append("(?").Append(flags.Replace('m', 's')).Append(pattern[end]);
        if (pattern[end] == ')')
            groups.Pop();
        position = end + 1;
    }

    private string Escape(bool inClass)
    {
        if (position >= pattern.Length)
            throw Unsupported("a '\\' at the end");
        var c = pattern[position++];
        switch (c)
        {
            case 'p' or 'P':
                return Property(c == 'P', inClass);
            case 'w':
                return inClass ? Word : $"[{Word}]";
            case 'W' when !inClass:
                return $"[^{Word}]";
            case 'h':
                return inClass ? "0-9a-fA-F" : "[0-9a-fA-F]";
            case 'R' when !inClass:
                return @"(?>\r\n|[\n-\r\u0085\u2028\u2029])";
            case 'x' when position < pattern.Length && pattern[position] == '{':
                var close = pattern.IndexOf('}', position);
                if (close < 0 || !int.TryParse(pattern.AsSpan(position + 1, close - position - 1), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var code) || code > 0xFFFF)
                    throw Unsupported("a code point of \\x{…}");
                position = close + 1;
                return $"\\u{code:X4}";
            case 's' or 'S' or 'd' or 'D' or 'n' or 'r' or 't' or 'f' or 'v' or 'a' or 'e':
                return $"\\{c}";
            case 'b' or 'B' or 'A' or 'z' or 'Z' when !inClass:
                return $"\\{c}";
            case 'x' or 'u':
                var length = c == 'x' ? 2 : 4;
                if (position + length > pattern.Length || !ushort.TryParse(pattern.AsSpan(position, length), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var unit) || char.IsSurrogate((char)unit))
                    throw Unsupported($"a code point of \\{c}");
                position += length;
                return $"\\u{unit:X4}";
            default:
                if (char.IsAsciiLetterOrDigit(c) || char.IsSurrogate(c))
                    throw Unsupported($"\\{c}");
                return c < 128 ? $"\\{c}" : c.ToString();
        }
    }

    private string Property(bool negated, bool inClass)
    {
        var close = position < pattern.Length && pattern[position] == '{' ? pattern.IndexOf('}', position) : -1;
        if (close < 0)
            throw Unsupported("\\p without a name in braces");
        var name = pattern[(position + 1)..close];
        position = close + 1;
        if (name.StartsWith('^'))
        {
            negated = !negated;
            name = name[1..];
        }
        var category = name switch
        {
            "Letter" => "L",
            "Number" => "N",
            "Punctuation" => "P",
            "Symbol" => "S",
            "Mark" => "M",
            "Separator" => "Z",
            "Other" => "C",
            "L" or "Lu" or "Ll" or "Lt" or "Lm" or "Lo" or "M" or "Mn" or "Mc" or "Me" or "N" or "Nd" or "Nl" or "No" or "P" or "Pc" or "Pd"
                or "Ps" or "Pe" or "Pi" or "Pf" or "Po" or "S" or "Sm" or "Sc" or "Sk" or "So" or "Z" or "Zs" or "Zl" or "Zp" or "C" or "Cc" or "Cf" or "Co" => name,
            _ => null,
        };
        if (category is not null)
            return $"\\{(negated ? 'P' : 'p')}{{{category}}}";
        if (name != "Han" || (negated && inClass))
            throw Unsupported($"\\p{{{name}}}");
        return inClass ? Han : $"[{(negated ? "^" : "")}{Han}]";
    }

    private string Class()
    {
        var set = new StringBuilder("[");
        position++;
        if (position < pattern.Length && pattern[position] == '^')
        {
            set.Append('^');
            position++;
        }
        ClassItems(set);
        return set.Append(']').ToString();
    }

    // Flattens nested classes. The recursion takes stack space.
    private void ClassItems(StringBuilder set)
    {
        if (!System.Runtime.CompilerServices.RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Unsupported("classes nested too deeply");
        for (var first = true; ; first = false)
        {
            if (position >= pattern.Length)
                throw Unsupported("a '[' without ']'");
            var c = pattern[position];
            if (c == ']' && !first)
            {
                position++;
                return;
            }
            if (c == '&' && position + 1 < pattern.Length && pattern[position + 1] == '&')
                throw Unsupported("&& in a class");
            if (c == '[')
            {
                if (position + 1 < pattern.Length && pattern[position + 1] is ':' or '^')
                    throw Unsupported("[: or [^ within a class");
                position++;
                ClassItems(set);
                continue;
            }
            position++;
            if (c == '\\')
                set.Append(Escape(inClass: true));
            else if (char.IsSurrogate(c))
                throw Unsupported("a character beyond U+FFFF");
            else if (c is ']' or '^')
                set.Append('\\').Append(c);
            else if (ignoreCase && c is 's' or 'S')
                set.Append("s\u017F");
            else
                set.Append(c);
        }
    }

    private TokenizerException Unsupported(string what)
        => new($"The regular expression \"{pattern}\" uses {what} (near position {Math.Min(position, pattern.Length)}), which is not supported.");
}
