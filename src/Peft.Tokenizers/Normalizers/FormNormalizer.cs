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
