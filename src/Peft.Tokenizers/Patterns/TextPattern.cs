using System.Text;

namespace Peft.Tokenizers;

/// <summary>A pattern for splitting and replacing.</summary>
internal abstract class TextPattern
{
    /// <summary>Splits text into matches and the spans between them, in order and without gaps.</summary>
    /// <param name="text">The text.</param>
    /// <param name="budget">The budget of the search.</param>
    public abstract List<TextMatch> FindMatches(string text, TextBudget budget);

    /// <summary>A pattern that matches every character that satisfies a predicate.</summary>
    public static TextPattern Characters(Func<Rune, bool> matches) => new CharacterPattern(matches);

    /// <summary>A pattern that matches an exact string.</summary>
    public static TextPattern Literal(string text) => new LiteralPattern(text);

    /// <summary>A pattern that matches the spans between the matches of this one.</summary>
    public TextPattern Inverted() => new InvertedPattern(this);

    private sealed class CharacterPattern(Func<Rune, bool> matches) : TextPattern
    {
        public override List<TextMatch> FindMatches(string text, TextBudget budget)
        {
            var result = new List<TextMatch>();
            int position = 0, last = 0;
            foreach (var rune in text.EnumerateRunes())
            {
                var next = position + rune.Utf16SequenceLength;
                if (matches(rune))
                {
                    if (last < position)
                        result.Add(new(last, position, false));
                    result.Add(new(position, next, true));
                    last = next;
                }
                position = next;
            }
            if (last < text.Length)
                result.Add(new(last, text.Length, false));
            return result;
        }
    }

    private sealed class LiteralPattern(string literal) : TextPattern
    {
        public override List<TextMatch> FindMatches(string text, TextBudget budget)
        {
            var result = new List<TextMatch>();
            var last = 0;
            // An empty pattern matches nothing: published files have no such pattern, and splitting everywhere is useless.
            while (literal.Length > 0 && text.IndexOf(literal, last, StringComparison.Ordinal) is >= 0 and var found)
            {
                if (last < found)
                    result.Add(new(last, found, false));
                last = found + literal.Length;
                result.Add(new(found, last, true));
            }
            if (last < text.Length)
                result.Add(new(last, text.Length, false));
            return result;
        }
    }

    private sealed class InvertedPattern(TextPattern pattern) : TextPattern
    {
        public override List<TextMatch> FindMatches(string text, TextBudget budget)
        {
            var result = pattern.FindMatches(text, budget);
            for (var i = 0; i < result.Count; i++)
                result[i] = result[i] with { IsMatch = !result[i].IsMatch };
            return result;
        }
    }
}
