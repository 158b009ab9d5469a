namespace Peft.Models;

/// <summary>Cuts at a pattern: the whole of most pre-tokenizers.</summary>
internal sealed class SplitPreTokenizer(TextPattern pattern, SplitBehavior behavior) : IPreTokenizer
{
    public void PreTokenize(PreTokenizedText text) => text.Split(pattern, behavior);
}
