namespace Peft.Tokenizers;

/// <summary>Replaces a pattern.</summary>
internal sealed class ReplaceNormalizer(TextPattern pattern, string content) : INormalizer
{
    public void Normalize(NormalizedText text) => text.Replace(pattern, content);
}
