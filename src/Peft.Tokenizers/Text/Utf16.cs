using System.Text;

namespace Peft.Tokenizers;

/// <summary>Conversions between UTF-16 and code points, on which tokenizers are defined.</summary>
internal static class Utf16
{
    /// <summary>Replaces unpaired surrogates, which have no UTF-8 encoding, by U+FFFD, as writing a file does.</summary>
    public static string WellFormed(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
            return text;
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            result.Append(rune.ToString());
        return result.ToString();
    }

    /// <summary>The number of code points before each position of a text and before its end; null if it always equals the UTF-16 position.</summary>
    public static int[]? CodePointPositions(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
            return null;
        var positions = new int[text.Length + 1];
        for (var i = 0; i < text.Length; i++)
            positions[i + 1] = positions[i] + (char.IsHighSurrogate(text[i]) ? 0 : 1);
        return positions;
    }
}
