using System.Text;

namespace Peft.Tokenizers;

/// <summary>Normalizes to NFD, NFKD, NFC or NFKC.</summary>
internal sealed class FormNormalizer(bool compatibility, bool compose) : INormalizer
{
    public void Normalize(NormalizedText text)
    {
        if (!Ascii.IsValid(text.Text))
            text.Transform(UnicodeNormalization.Normalize(text.Text, compatibility, compose));
    }
}

/// <summary>Lowercases by character, independent of language and context.</summary>
internal sealed class LowercaseNormalizer : INormalizer
{
    // The only character whose lowercase form has two characters.
    private const int DottedI = 0x130;

    public void Normalize(NormalizedText text)
    {
        if (!text.Text.Any(c => c >= 'A' && (c <= 'Z' || c >= 0x80)))
            return;
        var edits = new List<CharEdit>(text.Text.Length);
        foreach (var rune in text.Text.EnumerateRunes())
        {
            edits.Add(new(rune.Value == DottedI ? new('i') : Rune.ToLowerInvariant(rune), 0));
            if (rune.Value == DottedI)
                edits.Add(new(new(0x307), 1));
        }
        text.Transform(edits);
    }
}

/// <summary>Removes all combining marks. Precomposed characters keep their accents unless NFD is applied first.</summary>
internal sealed class StripAccentsNormalizer : INormalizer
{
    private readonly Func<Rune, bool> isMark = UnicodeData.Instance.Class("mark");

    public void Normalize(NormalizedText text)
    {
        if (!Ascii.IsValid(text.Text))
            text.Filter(rune => !isMark(rune));
    }
}

/// <summary>SentencePiece's cleanup for machine translation: removes control characters and maps all kinds of spaces to one.</summary>
internal sealed class NmtNormalizer : INormalizer
{
    public void Normalize(NormalizedText text)
    {
        text.Filter(rune => rune.Value is not ((>= 1 and <= 8) or 0xB or (>= 0xE and <= 0x1F) or 0x7F or 0x8F or 0x9F));
        text.ReplaceUnits(string.Create(text.Text.Length, text.Text, (span, old) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = old[i] is '\t' or '\n' or '\f' or '\r' or '\u1680' or (>= '\u200B' and <= '\u200F') or '\u2028' or '\u2029' or '\u2581' or '\uFEFF' or '\uFFFD'
                    ? ' '
                    : old[i];
            }
        }));
    }
}
