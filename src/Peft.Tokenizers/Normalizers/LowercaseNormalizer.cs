using System.Text;

namespace Peft.Tokenizers;

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
