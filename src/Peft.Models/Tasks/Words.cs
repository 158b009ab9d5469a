using System.Text;
using Peft.Tokenizers;

namespace Peft.Models;

/// <summary>Splits texts into words, for tagging.</summary>
internal static class Words
{
    /// <summary>Words are runs of letters, digits and marks. Any other character except whitespace is a separate word.</summary>
    public static List<TextRange> Split(string text)
    {
        var words = new List<TextRange>();
        var start = -1;
        var index = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            var inside = Rune.IsLetterOrDigit(rune) || Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.NonSpacingMark or System.Globalization.UnicodeCategory.SpacingCombiningMark;
            if (!inside && start >= 0)
            {
                words.Add(new(start, index));
                start = -1;
            }
            var length = rune.Utf16SequenceLength;
            if (inside && start < 0) start = index;
            else if (!inside && !Rune.IsWhiteSpace(rune)) words.Add(new(index, index + length));
            index += length;
        }
        if (start >= 0) words.Add(new(start, index));
        return words;
    }

    /// <summary>Joins words by spaces. Returns the text with the range of each word.</summary>
    public static (string Text, List<TextRange> Words) Join(IReadOnlyList<string> words)
    {
        var text = string.Join(' ', words);
        var ranges = new List<TextRange>(words.Count);
        var index = 0;
        foreach (var word in words)
        {
            ranges.Add(new(index, index + word.Length));
            index += word.Length + 1;
        }
        return (text, ranges);
    }

    /// <summary>The first token of each word; -1 for a word without tokens, whose characters the tokenizer drops.</summary>
    /// <param name="text">The text.</param>
    /// <param name="words">The words in order.</param>
    /// <param name="tokens">The tokens.</param>
    public static int[] FirstTokens(string text, IReadOnlyList<TextRange> words, TokenEncoding tokens)
    {
        var positions = new TextPositions(text);
        var first = Enumerable.Repeat(-1, words.Count).ToArray();
        var word = 0;
        for (var i = 0; i < tokens.Length; i++)
        {
            if (tokens.SequenceIds[i] is null) continue;
            var (start, end) = positions.Range(tokens.Offsets[i]);
            if (start >= end) continue;   // only whitespace
            while (word < words.Count && words[word].End <= start) word++;
            if (word == words.Count) break;
            if (first[word] < 0 && end > words[word].Start) first[word] = i;
        }
        return first;
    }
}
