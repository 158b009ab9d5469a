namespace Peft.Tokenizers;

/// <summary>Converts the text to <see cref="ByteAlphabet"/>.</summary>
internal sealed class ByteLevelNormalizer : INormalizer
{
    public void Normalize(NormalizedText text) => ByteAlphabet.Spell(text);
}
