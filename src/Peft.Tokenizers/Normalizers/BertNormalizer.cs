using System.Text;

namespace Peft.Tokenizers;

/// <summary>BERT's normalizer. Optionally removes control characters and normalizes whitespace, adds spaces around Chinese characters, strips accents, and lowercases.</summary>
internal sealed class BertNormalizer(bool cleanText, bool spaceChinese, bool stripAccents, bool lowercase) : INormalizer
{
    private readonly Func<Rune, bool> isOther = UnicodeData.Instance.Class("other");
    private readonly Func<Rune, bool> isNonspacing = UnicodeData.Instance.Class("nonspacing");
    private readonly FormNormalizer decompose = new(compatibility: false, compose: false);
    private readonly LowercaseNormalizer lower = new();

    public void Normalize(NormalizedText text)
    {
        if (cleanText)
            Clean(text);
        if (spaceChinese && text.Text.Any(c => c >= 0x3400))
            SpaceChinese(text);
        if (stripAccents && !Ascii.IsValid(text.Text))
        {
            decompose.Normalize(text);
            text.Filter(rune => !isNonspacing(rune));
        }
        if (lowercase)
            lower.Normalize(text);
    }

    private void Clean(NormalizedText text)
    {
        text.Filter(rune => rune.Value is '\t' or '\n' or '\r' || (rune.Value is not (0 or 0xFFFD) && !isOther(rune)));
        if (text.Text.Any(c => c != ' ' && char.IsWhiteSpace(c)))
            text.ReplaceUnits(string.Concat(text.Text.Select(c => char.IsWhiteSpace(c) ? ' ' : c)));
    }

    private static void SpaceChinese(NormalizedText text)
    {
        var edits = new List<CharEdit>(text.Text.Length);
        foreach (var rune in text.Text.EnumerateRunes())
        {
            if (UnicodeClasses.IsChinese(rune))
                edits.AddRange([new(new(' '), 0), new(rune, 1), new(new(' '), 1)]);
            else
                edits.Add(new(rune, 0));
        }
        text.Transform(edits);
    }
}
