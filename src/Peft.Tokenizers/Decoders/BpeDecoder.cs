namespace Peft.Tokenizers;

/// <summary>Replaces the end-of-word suffix by a space.</summary>
internal sealed class BpeDecoder(string suffix) : IDecoder
{
    public List<string> Decode(List<string> tokens, TextBudget budget) => suffix.Length == 0 ? tokens : [.. tokens.Select((token, i) =>
        token.Replace(suffix, i == tokens.Count - 1 ? "" : " ", StringComparison.Ordinal))];
}
