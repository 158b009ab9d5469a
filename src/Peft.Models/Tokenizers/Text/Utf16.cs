using System.Text;

namespace Peft.Models;

/// <summary>What .NET strings need so that tokenizers, which are defined on code points and UTF-8, see them right.</summary>
internal static class Utf16
{
    /// <summary>A surrogate without its partner has no UTF-8 form: it becomes U+FFFD, as it would in a file.</summary>
    public static string WellFormed(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
            return text;
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            result.Append(rune.ToString());
        return result.ToString();
    }

    /// <summary>For every position of a text, and its end, the number of code points before it; null if they are the same.</summary>
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
