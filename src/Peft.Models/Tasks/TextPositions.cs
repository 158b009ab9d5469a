namespace Peft.Models;

/// <summary>Converts positions in text: tokenizers count code points, .NET counts UTF-16 code units.</summary>
internal sealed class TextPositions
{
    private readonly string text;
    private readonly int[]? units;   // null if each code point is a single unit

    public TextPositions(string text)
    {
        this.text = text;
        if (!text.Any(char.IsSurrogate)) return;
        var positions = new List<int>(text.Length + 1);
        for (var i = 0; i < text.Length; i += char.IsSurrogatePair(text, i) ? 2 : 1)
        {
            positions.Add(i);
            if (i + 1 >= text.Length) break;
        }
        positions.Add(text.Length);
        units = [.. positions];
    }

    /// <summary>UTF-16 index of a code point.</summary>
    public int ToUnits(int codePoint) => units is null ? codePoint : units[Math.Min(codePoint, units.Length - 1)];

    /// <summary>The UTF-16 range of a token, without whitespace at its ends, which some tokenizers include.</summary>
    public (int Start, int End) Range((int Start, int End) token)
    {
        var (start, end) = (ToUnits(token.Start), ToUnits(token.End));
        while (start < end && char.IsWhiteSpace(text[start])) start++;
        while (end > start && char.IsWhiteSpace(text[end - 1])) end--;
        return (start, end);
    }
}
