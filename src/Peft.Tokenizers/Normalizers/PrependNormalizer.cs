namespace Peft.Tokenizers;

/// <summary>Prepends a string.</summary>
internal sealed class PrependNormalizer(string prefix) : INormalizer
{
    public void Normalize(NormalizedText text) => text.Prepend(prefix);
}
