namespace Peft.Models;

/// <summary>Several pre-tokenizers, one after another.</summary>
internal sealed class SequencePreTokenizer(IReadOnlyList<IPreTokenizer> parts) : IPreTokenizer
{
    public void PreTokenize(PreTokenizedText text)
    {
        foreach (var part in parts)
            part.PreTokenize(text);
    }
}
