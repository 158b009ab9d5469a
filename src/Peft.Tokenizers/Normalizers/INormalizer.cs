namespace Peft.Tokenizers;

/// <summary>Normalizes text before it is split.</summary>
internal interface INormalizer
{
    /// <summary>Changes the text and keeps the alignment with the original.</summary>
    void Normalize(NormalizedText text);
}
