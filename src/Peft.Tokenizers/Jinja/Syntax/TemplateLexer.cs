using System.Text.RegularExpressions;

namespace Peft.Tokenizers.Jinja;

/// <summary>
/// Splits a template into text and tokens as Jinja 3.1 does with <c>trim_blocks</c> and <c>lstrip_blocks</c>: removes the line break that follows a tag or comment
/// and the whitespace that precedes it on its line. <c>-</c> removes all whitespace, <c>+</c> none. One line break at the end of the template is removed too.
/// </summary>
internal sealed partial class TemplateLexer
{
    private readonly string source;
    private readonly List<Token> tokens = [];
    private int position;
    private int counted;
    private int line = 1;

    private TemplateLexer(string source) => this.source = source;

    public static List<Token> Read(string template)
    {
        var source = template.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        var lexer = new TemplateLexer(source.EndsWith('\n') ? source[..^1] : source);
        lexer.Read();
        return lexer.tokens;
    }

    private void Read()
    {
        while (position < source.Length)
        {
            var tag = NextTag();
            if (tag < 0)
            {
                Add(TokenKind.Text, source[position..], position);
                position = source.Length;
                break;
            }
            var kind = source[tag + 1];
            var sign = tag + 2 < source.Length && source[tag + 2] is '-' or '+' ? source[tag + 2] : ' ';
            AddText(position, tag, sign, strips: kind != '{');
            position = tag + (sign == ' ' ? 2 : 3);
            if (kind == '#') SkipComment(tag);
            else if (kind == '%' && RawBegin().Match(source, tag) is { Success: true } raw) ReadRaw(raw);
            else ReadTag(tag, kind == '%');
        }
        tokens.Add(new(TokenKind.End, "", LineAt(source.Length)));
    }

    private int NextTag()
    {
        for (var at = source.IndexOf('{', position); at >= 0 && at + 1 < source.Length; at = source.IndexOf('{', at + 1))
            if (source[at + 1] is '{' or '%' or '#') return at;
        return -1;
    }

    private void AddText(int start, int end, char sign, bool strips)
    {
        if (sign == '-')
        {
            while (end > start && PythonText.IsSpace(source[end - 1])) end--;
        }
        else if (sign != '+' && strips)
        {
            var at = end;
            while (at > start && source[at - 1] != '\n' && PythonText.IsSpace(source[at - 1])) at--;
            if (at == 0 || source[at - 1] == '\n') end = at;
        }
        if (end > start) Add(TokenKind.Text, source[start..end], start);
    }

    private void SkipComment(int tag)
    {
        var end = CommentEnd().Match(source, position);
        if (!end.Success) throw new ChatTemplateException("The comment that begins here is not closed: '#}' is missing.", LineAt(tag));
        position = end.Index + end.Length;
    }

    private void ReadRaw(Match begin)
    {
        var start = begin.Index + begin.Length;
        var end = RawEnd().Match(source, start);
        if (!end.Success) throw new ChatTemplateException("The raw block that begins here is not closed: '{% endraw %}' is missing.", LineAt(begin.Index));
        AddText(start, end.Index, end.Groups["sign"].Value is [var sign] ? sign : ' ', strips: true);
        position = end.Index + end.Length;
    }

    private void ReadTag(int tag, bool block)
    {
        Add(block ? TokenKind.BlockBegin : TokenKind.PrintBegin, block ? "{%" : "{{", tag);
        var inside = new ExpressionLexer(source, position);
        while (true)
        {
            position = inside.SkipSpace();
            if (position >= source.Length)
                throw new ChatTemplateException($"The tag that begins here is not closed: '{(block ? "%}" : "}}")}' is missing.", LineAt(tag));
            if (inside.IsBalanced && (block ? BlockEnd() : PrintEnd()).Match(source, position) is { Success: true } end)
            {
                Add(block ? TokenKind.BlockEnd : TokenKind.PrintEnd, end.Value, position);
                position += end.Length;
                return;
            }
            tokens.Add(inside.Next(LineAt(position)));
        }
    }

    private void Add(TokenKind kind, string text, int at) => tokens.Add(new(kind, text, LineAt(at)));

    // Positions are requested in ascending order, so the template is scanned only once.
    private int LineAt(int at)
    {
        for (; counted < at; counted++)
            if (source[counted] == '\n') line++;
        return line;
    }

    [GeneratedRegex(@"\G\{%[-+]?\s*raw\s*(?:-%\}\s*|%\})")]
    private static partial Regex RawBegin();

    [GeneratedRegex(@"\{%(?<sign>[-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)")]
    private static partial Regex RawEnd();

    [GeneratedRegex(@"\+#\}|-#\}\s*|#\}\n?")]
    private static partial Regex CommentEnd();

    [GeneratedRegex(@"\G(?:\+%\}|-%\}\s*|%\}\n?)")]
    private static partial Regex BlockEnd();

    [GeneratedRegex(@"\G(?:-\}\}\s*|\}\})")]
    private static partial Regex PrintEnd();
}
