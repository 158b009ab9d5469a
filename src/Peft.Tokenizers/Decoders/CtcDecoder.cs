namespace Peft.Tokenizers;

/// <summary>For speech models: collapses repeated tokens and removes the blank.</summary>
internal sealed class CtcDecoder(string padToken, string wordDelimiter, bool cleanUp) : IDecoder
{
    public List<string> Decode(List<string> tokens, TextBudget budget) => [.. tokens
        .Where((token, i) => i == 0 || token != tokens[i - 1])
        .Select(token => padToken.Length == 0 ? token : token.Replace(padToken, "", StringComparison.Ordinal))
        .Select(token => !cleanUp ? token : wordDelimiter.Length == 0 ? WordPieceDecoder.CleanUp(token) : WordPieceDecoder.CleanUp(token).Replace(wordDelimiter, " ", StringComparison.Ordinal))
        .Where(token => token.Length > 0)];
}
