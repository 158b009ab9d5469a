using System.Globalization;
using System.Text;

namespace Peft.Tokenizers.Jinja;

/// <summary>Parses Python's escape sequences in string literals.</summary>
internal static class StringEscapes
{
    public static string Read(ReadOnlySpan<char> text, int line)
    {
        if (!text.Contains('\\')) return text.ToString();
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                result.Append(text[i]);
                continue;
            }
            var next = text[++i];
            switch (next)
            {
                case '\n': break;
                case 'n': result.Append('\n'); break;
                case 'r': result.Append('\r'); break;
                case 't': result.Append('\t'); break;
                case 'a': result.Append('\a'); break;
                case 'b': result.Append('\b'); break;
                case 'f': result.Append('\f'); break;
                case 'v': result.Append('\v'); break;
                case '\\' or '\'' or '"': result.Append(next); break;
                case >= '0' and <= '7':
                    var code = 0;
                    var end = Math.Min(text.Length, i + 3);
                    for (; i < end && text[i] is >= '0' and <= '7'; i++) code = code * 8 + text[i] - '0';
                    result.Append((char)code);
                    i--;
                    break;
                case 'x' or 'u' or 'U':
                    var digits = next == 'x' ? 2 : next == 'u' ? 4 : 8;
                    result.Append(Character(text[(i + 1)..], digits, line));
                    i += digits;
                    break;
                default: result.Append('\\').Append(next); break;
            }
        }
        return result.ToString();
    }

    private static string Character(ReadOnlySpan<char> text, int digits, int line)
    {
        if (text.Length >= digits && int.TryParse(text[..digits], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code) && code is >= 0 and <= 0x10FFFF)
            return code is >= 0xD800 and <= 0xDFFF || code < 0x10000 ? ((char)code).ToString() : char.ConvertFromUtf32(code);
        throw new ChatTemplateException($"A string has an escape sequence without {digits} hexadecimal digits.", line);
    }
}
