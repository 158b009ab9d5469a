namespace Peft.Tokenizers;

/// <summary>Splits at the matches of a pattern. Most pre-tokenizers do only this.</summary>
internal sealed class SplitPreTokenizer(TextPattern pattern, SplitBehavior behavior) : IPreTokenizer
{
    public void PreTokenize(PreTokenizedText text) => text.Split(pattern, behavior);
}
