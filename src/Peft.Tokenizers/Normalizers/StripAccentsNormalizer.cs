using System.Text;

namespace Peft.Tokenizers;

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
