using System.Text;
using Peft.Tokenizers;

namespace Peft.Models;

/// <summary>Converts positions in a text: tokenizers count code points, .NET counts UTF-16 units.</summary>
internal sealed class TextPlaces
{
    private readonly string text;
    private readonly int[]? units;   // null if each code point is a single unit

    public TextPlaces(string text)
    {
        this.text = text;
        if (!text.Any(char.IsSurrogate)) return;
        var places = new List<int>(text.Length + 1);
        for (var i = 0; i < text.Length; i += char.IsSurrogatePair(text, i) ? 2 : 1)
        {
            places.Add(i);
            if (i + 1 >= text.Length) break;
        }
        places.Add(text.Length);
        units = [.. places];
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

/// <summary>Splits texts into words, for tagging.</summary>
internal static class Words
{
    /// <summary>Words are runs of letters, digits and marks. Any other character except whitespace is a word of its own.</summary>
    public static List<TextRange> Split(string text)
    {
        var words = new List<TextRange>();
        var start = -1;
        var place = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            var inside = Rune.IsLetterOrDigit(rune) || Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.NonSpacingMark or System.Globalization.UnicodeCategory.SpacingCombiningMark;
            if (!inside && start >= 0)
            {
                words.Add(new(start, place));
                start = -1;
            }
            var length = rune.Utf16SequenceLength;
            if (inside && start < 0) start = place;
            else if (!inside && !Rune.IsWhiteSpace(rune)) words.Add(new(place, place + length));
            place += length;
        }
        if (start >= 0) words.Add(new(start, place));
        return words;
    }

    /// <summary>Joins words by spaces. Returns the text with the range of each word.</summary>
    public static (string Text, List<TextRange> Words) Join(IReadOnlyList<string> words)
    {
        var text = string.Join(' ', words);
        var ranges = new List<TextRange>(words.Count);
        var place = 0;
        foreach (var word in words)
        {
            ranges.Add(new(place, place + word.Length));
            place += word.Length + 1;
        }
        return (text, ranges);
    }

    /// <summary>The first token of each word; -1 for a word without tokens, as the tokenizer drops its characters.</summary>
    /// <param name="text">The text.</param>
    /// <param name="words">The words in order.</param>
    /// <param name="tokens">The tokens.</param>
    public static int[] FirstTokens(string text, IReadOnlyList<TextRange> words, TokenEncoding tokens)
    {
        var places = new TextPlaces(text);
        var first = Enumerable.Repeat(-1, words.Count).ToArray();
        var word = 0;
        for (var i = 0; i < tokens.Length; i++)
        {
            if (tokens.SequenceIds[i] is null) continue;
            var (start, end) = places.Range(tokens.Offsets[i]);
            if (start >= end) continue;   // only whitespace
            while (word < words.Count && words[word].End <= start) word++;
            if (word == words.Count) break;
            if (first[word] < 0 && end > words[word].Start) first[word] = i;
        }
        return first;
    }
}
