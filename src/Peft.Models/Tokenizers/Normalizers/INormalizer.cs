namespace Peft.Models;

/// <summary>Changes a text before it is cut.</summary>
internal interface INormalizer
{
    /// <summary>Changes the text and keeps track of where it came from.</summary>
    void Normalize(NormalizedText text);
}
