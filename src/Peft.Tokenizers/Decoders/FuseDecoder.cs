namespace Peft.Tokenizers;

/// <summary>Concatenates all strings.</summary>
internal sealed class FuseDecoder : IDecoder
{
    public List<string> Decode(List<string> tokens, TextBudget budget) => [string.Concat(tokens)];
}
