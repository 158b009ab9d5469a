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
