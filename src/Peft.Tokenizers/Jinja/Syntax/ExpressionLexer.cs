using System.Globalization;
using System.Text.RegularExpressions;

namespace Peft.Tokenizers.Jinja;

/// <summary>Tokenizes the contents of a tag.</summary>
internal sealed partial class ExpressionLexer(string source, int position)
{
    private readonly Stack<char> open = new();
    private int position = position;

    /// <summary>True if all brackets are closed, so the tag may end.</summary>
    public bool IsBalanced => open.Count == 0;

    /// <summary>Skips whitespace and returns the position of the next token.</summary>
    public int SkipSpace()
    {
        while (position < source.Length && PythonText.IsSpace(source[position])) position++;
        return position;
    }

    public Token Next(int line)
    {
        var next = source[position];
        if (next is '\'' or '"') return ReadString(next, line);
        if (char.IsAsciiDigit(next)) return ReadNumber(line);
        if (IsNamePart(next))
        {
            var start = position;
            while (position < source.Length && IsNamePart(source[position])) position++;
            return new(TokenKind.Name, source[start..position], line);
        }
        return ReadOperator(line);
    }

    private static bool IsNamePart(char c) => char.IsLetterOrDigit(c) || c == '_';

    private Token ReadString(char quote, int line)
    {
        var end = position + 1;
        while (end < source.Length && source[end] != quote) end += source[end] == '\\' ? 2 : 1;
        if (end >= source.Length) throw new ChatTemplateException("The string that begins here is not terminated.", line);
        var text = StringEscapes.Read(source.AsSpan(position + 1, end - position - 1), line);
        position = end + 1;
        return new(TokenKind.String, text, line);
    }

    private Token ReadNumber(int line)
    {
        if (Float().Match(source, position) is { Success: true } number)
        {
            position += number.Length;
            return new(TokenKind.Number, number.Value, line, double.Parse(number.Value.Replace("_", ""), CultureInfo.InvariantCulture));
        }
        var integer = Integer().Match(source, position);
        position += integer.Length;
        return new(TokenKind.Number, integer.Value, line, NumberText.ParseInteger(integer.Value.Replace("_", ""), 0)
            ?? throw new ChatTemplateException($"The integer {integer.Value} does not fit into 64 bits.", line));
    }

    private Token ReadOperator(int line)
    {
        var pair = position + 1 < source.Length ? source.Substring(position, 2) : "";
        var text = pair is "//" or "**" or "==" or "!=" or ">=" or "<=" ? pair : source[position].ToString();
        if (text.Length == 1 && !"+-/*%~[](){}<>=.:|,;".Contains(text[0], StringComparison.Ordinal))
            throw new ChatTemplateException($"Unexpected character '{text}'.", line);
        if (text is "(" or "[" or "{") open.Push(text[0]);
        if (text is ")" or "]" or "}")
        {
            var expected = open.TryPop(out var opening) ? opening switch { '(' => ")", '[' => "]", _ => "}" } : null;
            if (expected != text)
                throw new ChatTemplateException(expected is null ? $"Unexpected '{text}': no bracket is open." : $"Unexpected '{text}': expected '{expected}' first.", line);
        }
        position += text.Length;
        return new(TokenKind.Operator, text, line);
    }

    [GeneratedRegex(@"\G(?<!\.)(?:[0-9]+_)*[0-9]+(?:(?:\.(?:[0-9]+_)*[0-9]+)?e[+\-]?(?:[0-9]+_)*[0-9]+|\.(?:[0-9]+_)*[0-9]+)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Float();

    [GeneratedRegex(@"\G(?:0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[0-9a-f])+|[1-9](?:_?[0-9])*|0(?:_?0)*)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Integer();
}
