using System.Text;

namespace Peft.Tokenizers;

/// <summary>
/// A piece of text during normalization. For each UTF-16 code unit it keeps the range in the original text.
/// </summary>
internal sealed class NormalizedText
{
    // Null while the text is an unmodified piece of the original. Most text is, and the array would take most of this object's memory.
    private TextRange[]? sources;
    private int firstSource;

    public NormalizedText(string text, TextBudget budget) : this(text, budget, null, 0, 0) { }

    private NormalizedText(string text, TextBudget budget, TextRange[]? sources, int firstSource, int originalStart)
    {
        Text = text;
        Budget = budget;
        this.sources = sources;
        this.firstSource = firstSource;
        OriginalStart = originalStart;
    }

    /// <summary>The current text.</summary>
    public string Text { get; private set; }

    /// <summary>The budget, which all pieces of the text share.</summary>
    public TextBudget Budget { get; }

    /// <summary>Start of the piece in the original text, in UTF-16 code units.</summary>
    public int OriginalStart { get; }

    /// <summary>The range in the original text that corresponds to a non-empty range of this text.</summary>
    public TextRange OriginalRange(int start, int end) => new(Source(start).Start, Source(end - 1).End);

    /// <summary>The piece between two positions, which must not be inside a surrogate pair.</summary>
    public NormalizedText Slice(int start, int end)
    {
        Budget.Charge(end - start);
        // A piece starts at the original position of its first character, even if it is the whole text.
        var original = start < end ? Source(start).Start : OriginalStart + start;
        return new(Text[start..end], Budget, sources, firstSource + start, original);
    }

    /// <summary>Rewrites the text by character edits.</summary>
    /// <param name="edits">All characters of the new text.</param>
    /// <param name="removedFirst">Number of characters of the old text that are removed before the first edit.</param>
    public void Transform(IReadOnlyCollection<CharEdit> edits, int removedFirst = 0)
    {
        if (Text.Length == 0)
            return;
        Budget.Charge(edits.Count);
        var text = new StringBuilder(edits.Count);
        var ranges = new List<TextRange>(edits.Count);
        Span<char> units = stackalloc char[2];
        var position = Skip(0, removedFirst);
        foreach (var (character, change) in edits)
        {
            TextRange range;
            if (change > 0)
            {
                range = position == 0 ? new(OriginalStart, OriginalStart) : Source(position - 1);
            }
            else
            {
                range = Source(Math.Min(position, Text.Length - 1));
                position = Skip(position, 1 - change);
            }
            var count = character.EncodeToUtf16(units);
            text.Append(units[..count]);
            for (var i = 0; i < count; i++)
                ranges.Add(range);
        }
        Become(text.ToString(), [.. ranges]);
    }

    /// <summary>Replaces characters by others of the same length, which does not change the alignment.</summary>
    public void ReplaceUnits(string sameLength)
    {
        if (sameLength.Length != Text.Length)
            throw new ArgumentException("The text must keep its length.", nameof(sameLength));
        if (sources is null && Text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
            Become(sameLength, [.. Enumerable.Range(0, Text.Length).Select(Source)]);
        else
            Text = sameLength;
    }

    /// <summary>Keeps the characters that satisfy a predicate.</summary>
    public void Filter(Func<Rune, bool> keep)
    {
        var text = new StringBuilder(Text.Length);
        var ranges = new List<TextRange>(Text.Length);
        var position = 0;
        foreach (var character in Text.EnumerateRunes())
        {
            if (keep(character))
            {
                text.Append(Text, position, character.Utf16SequenceLength);
                for (var i = 0; i < character.Utf16SequenceLength; i++)
                    ranges.Add(Source(position + i));
            }
            position += character.Utf16SequenceLength;
        }
        if (text.Length != Text.Length)
            Become(text.ToString(), [.. ranges]);
    }

    /// <summary>Prepends a string, which is aligned with the first character. An empty text remains empty.</summary>
    public void Prepend(string prefix)
    {
        if (Text.Length == 0)
            return;
        Budget.Charge(prefix.Length + Text.Length);
        var ranges = new TextRange[prefix.Length + Text.Length];
        Array.Fill(ranges, Source(0), 0, prefix.Length);
        for (var i = 0; i < Text.Length; i++)
            ranges[prefix.Length + i] = Source(i);
        Become(prefix + Text, ranges);
    }

    /// <summary>Replaces the matches of a pattern. The replacement is aligned with the last character of the match.</summary>
    public void Replace(TextPattern pattern, string content)
    {
        var matches = pattern.FindMatches(Text, Budget);
        if (!matches.Exists(match => match.IsMatch))
            return;
        Budget.Charge(matches.Sum(match => match.IsMatch ? (long)content.Length : match.End - match.Start));
        var text = new StringBuilder(Text.Length);
        var ranges = new List<TextRange>(Text.Length);
        foreach (var (start, end, isMatch) in matches)
        {
            if (isMatch)
            {
                text.Append(content);
                var range = end == 0 ? new(OriginalStart, OriginalStart) : Source(end - 1);
                for (var i = 0; i < content.Length; i++)
                    ranges.Add(range);
            }
            else
            {
                text.Append(Text, start, end - start);
                for (var i = start; i < end; i++)
                    ranges.Add(Source(i));
            }
        }
        Become(text.ToString(), [.. ranges]);
    }

    private TextRange Source(int index)
    {
        if (sources is not null)
            return sources[firstSource + index];
        var start = OriginalStart + index;
        if (char.IsLowSurrogate(Text[index]))
            return new(start - 1, start + 1);
        return new(start, start + (char.IsHighSurrogate(Text[index]) ? 2 : 1));
    }

    private void Become(string text, TextRange[] ranges)
    {
        Text = text;
        sources = ranges;
        firstSource = 0;
    }

    private int Skip(int position, int characters)
    {
        while (characters-- > 0 && position < Text.Length)
            position += char.IsHighSurrogate(Text[position]) ? 2 : 1;
        return position;
    }
}
