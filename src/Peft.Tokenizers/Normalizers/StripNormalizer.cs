namespace Peft.Tokenizers;

/// <summary>Removes whitespace at the ends.</summary>
internal sealed class StripNormalizer(bool left, bool right) : INormalizer
{
    public void Normalize(NormalizedText text)
    {
        var start = left ? text.Text.Length - text.Text.AsSpan().TrimStart().Length : 0;
        var end = right ? text.Text.AsSpan().TrimEnd().Length : text.Text.Length;
        var position = 0;
        text.Filter(rune =>
        {
            var keep = position >= start && position < end;
            position += rune.Utf16SequenceLength;
            return keep;
        });
    }
}
