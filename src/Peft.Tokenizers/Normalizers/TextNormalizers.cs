namespace Peft.Tokenizers;

/// <summary>A sequence of normalizers.</summary>
internal sealed class SequenceNormalizer(IReadOnlyList<INormalizer> parts) : INormalizer
{
    public void Normalize(NormalizedText text)
    {
        foreach (var part in parts)
            part.Normalize(text);
    }
}

/// <summary>Prepends a string.</summary>
internal sealed class PrependNormalizer(string prefix) : INormalizer
{
    public void Normalize(NormalizedText text) => text.Prepend(prefix);
}

/// <summary>Replaces a pattern.</summary>
internal sealed class ReplaceNormalizer(TextPattern pattern, string content) : INormalizer
{
    public void Normalize(NormalizedText text) => text.Replace(pattern, content);
}

/// <summary>Converts the text to <see cref="ByteAlphabet"/>.</summary>
internal sealed class ByteLevelNormalizer : INormalizer
{
    public void Normalize(NormalizedText text) => ByteAlphabet.Spell(text);
}

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
