namespace Peft.Tokenizers;

/// <summary>Replaces the metaspace character by spaces, and removes the one that the encoder prepended.</summary>
internal sealed class MetaspaceDecoder(string replacement, PrependScheme scheme) : IDecoder
{
    public List<string> Decode(List<string> tokens, TextBudget budget) => [.. tokens.Select((token, i) =>
        token.Replace(replacement, i == 0 && scheme != PrependScheme.Never ? "" : " ", StringComparison.Ordinal))];
}
