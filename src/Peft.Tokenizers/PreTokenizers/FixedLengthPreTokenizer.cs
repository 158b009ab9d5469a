namespace Peft.Tokenizers;

/// <summary>Splits into pieces of a fixed number of characters.</summary>
internal sealed class FixedLengthPreTokenizer(int length) : IPreTokenizer
{
    public void PreTokenize(PreTokenizedText text) => text.Split(Cut);

    private IEnumerable<PreTokenizedText.Piece> Cut(NormalizedText text)
    {
        int start = 0, position = 0, count = 0;
        foreach (var rune in text.Text.EnumerateRunes())
        {
            position += rune.Utf16SequenceLength;
            if (++count % length == 0 || position == text.Text.Length)
            {
                yield return new(text.Slice(start, position), null);
                start = position;
            }
        }
    }
}
