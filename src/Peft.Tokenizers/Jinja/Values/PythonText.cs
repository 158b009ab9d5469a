using System.Text;

namespace Peft.Tokenizers.Jinja;

/// <summary>Python's view of strings: sequences of code points.</summary>
internal static class PythonText
{
    /// <summary>True if a character is whitespace by Python's <c>str.isspace</c>.</summary>
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\u001c' and <= '\u001f';

    public static int Length(ReadOnlySpan<char> text)
    {
        var length = text.Length;
        for (var i = 0; i + 1 < text.Length; i++)
            if (char.IsSurrogatePair(text[i], text[i + 1])) length--;
        return length;
    }

    /// <summary>The code points, each as a string.</summary>
    public static IEnumerable<string> Characters(string text)
    {
        for (var i = 0; i < text.Length;)
        {
            var width = WidthAt(text, i);
            yield return text.Substring(i, width);
            i += width;
        }
    }

    /// <summary>Number of UTF-16 code units of the code point at an index.</summary>
    public static int WidthAt(string text, int at) => at + 1 < text.Length && char.IsSurrogatePair(text[at], text[at + 1]) ? 2 : 1;

    /// <summary>UTF-16 index of a code point.</summary>
    public static int Utf16Index(string text, long index)
    {
        var at = 0;
        for (; index > 0 && at < text.Length; index--) at += WidthAt(text, at);
        return at;
    }

    public static string Strip(string text, string? characters, bool left, bool right)
    {
        var (start, end) = (0, text.Length);
        var set = characters is null ? null : new HashSet<int>(Characters(characters).Select(character => PointAt(character, 0)));
        while (left && start < end && Strips(text, start, set) is > 0 and var width) start += width;
        while (right && end > start && Strips(text, end - (end - start > 1 && char.IsSurrogatePair(text[end - 2], text[end - 1]) ? 2 : 1), set) is > 0 and var width) end -= width;
        return text[start..end];
    }

    /// <summary>Uppercases the first letter of each word and lowercases the rest (<c>str.title</c>). Words are runs of letters.</summary>
    public static string Title(string text)
    {
        var result = new StringBuilder(text.Length);
        var inWord = false;
        foreach (var rune in text.EnumerateRunes())
        {
            result.Append(inWord ? Rune.ToLowerInvariant(rune) : Rune.ToUpperInvariant(rune));
            inWord = Rune.IsLetter(rune) && (Rune.IsUpper(rune) || Rune.IsLower(rune));
        }
        return result.ToString();
    }

    public static string Upper(string text) => text.ToUpperInvariant().Replace("ß", "SS", StringComparison.Ordinal);

    public static string Lower(string text) => text.ToLowerInvariant();

    public static string Capitalize(string text)
    {
        var width = text.Length == 0 ? 0 : WidthAt(text, 0);
        return Upper(text[..width]) + Lower(text[width..]);
    }

    /// <summary>Compares by code points.</summary>
    public static int Compare(string left, string right)
    {
        for (var i = 0; i < left.Length && i < right.Length; i++)
        {
            if (left[i] == right[i]) continue;
            // Surrogates encode code points above all others.
            var (a, b) = (char.IsSurrogate(left[i]), char.IsSurrogate(right[i]));
            return a == b ? left[i].CompareTo(right[i]) : a ? 1 : -1;
        }
        return left.Length.CompareTo(right.Length);
    }

    private static int Strips(string text, int at, HashSet<int>? set)
    {
        if (set is null) return IsSpace(text[at]) ? 1 : 0;
        return set.Contains(PointAt(text, at)) ? WidthAt(text, at) : 0;
    }

    private static int PointAt(string text, int at) => WidthAt(text, at) == 2 ? char.ConvertToUtf32(text[at], text[at + 1]) : text[at];
}
