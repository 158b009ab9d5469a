namespace Peft.Tokenizers;

/// <summary>A sequence of pre-tokenizers.</summary>
internal sealed class SequencePreTokenizer(IReadOnlyList<IPreTokenizer> parts) : IPreTokenizer
{
    public void PreTokenize(PreTokenizedText text)
    {
        foreach (var part in parts)
            part.PreTokenize(text);
    }
}
