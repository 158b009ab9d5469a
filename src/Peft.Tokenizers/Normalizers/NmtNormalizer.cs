namespace Peft.Tokenizers;

/// <summary>SentencePiece's cleanup for machine translation: removes control characters and replaces all space characters by a single one.</summary>
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
