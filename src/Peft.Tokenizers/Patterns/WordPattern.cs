namespace Peft.Tokenizers;

/// <summary>Splits text into words and runs of punctuation. Only the whitespace between them is a match.</summary>
internal sealed class WordPattern : TextPattern
{
    public override List<TextMatch> FindMatches(string text, TextBudget budget)
    {
        var result = new List<TextMatch>();
        var start = 0;
        var position = 0;
        var before = Kind.Space;
        foreach (var rune in text.EnumerateRunes())
        {
            var kind = UnicodeClasses.IsWord(rune) ? Kind.Word : System.Text.Rune.IsWhiteSpace(rune) ? Kind.Space : Kind.Other;
            if (kind != before && position > start)
            {
                result.Add(new(start, position, before == Kind.Space));
                start = position;
            }
            before = kind;
            position += rune.Utf16SequenceLength;
        }
        if (position > start)
            result.Add(new(start, position, before == Kind.Space));
        return result;
    }

    private enum Kind
    {
        Space,
        Word,
        Other,
    }
}
