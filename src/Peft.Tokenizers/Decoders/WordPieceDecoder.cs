namespace Peft.Tokenizers;

/// <summary>Joins the pieces of each word and inserts spaces between words.</summary>
internal sealed class WordPieceDecoder(string prefix, bool cleanUp) : IDecoder
{
    public List<string> Decode(List<string> tokens, TextBudget budget) => [.. tokens.Select((token, i) =>
    {
        if (i > 0)
            token = token.StartsWith(prefix, StringComparison.Ordinal) ? token[prefix.Length..] : " " + token;
        return cleanUp ? CleanUp(token) : token;
    })];

    /// <summary>Removes the spaces around English punctuation that tokenization left.</summary>
    public static string CleanUp(string text) => text
        .Replace(" .", ".", StringComparison.Ordinal)
        .Replace(" ?", "?", StringComparison.Ordinal)
        .Replace(" !", "!", StringComparison.Ordinal)
        .Replace(" ,", ",", StringComparison.Ordinal)
        .Replace(" ' ", "'", StringComparison.Ordinal)
        .Replace(" n't", "n't", StringComparison.Ordinal)
        .Replace(" 'm", "'m", StringComparison.Ordinal)
        .Replace(" do not", " don't", StringComparison.Ordinal)
        .Replace(" 's", "'s", StringComparison.Ordinal)
        .Replace(" 've", "'ve", StringComparison.Ordinal)
        .Replace(" 're", "'re", StringComparison.Ordinal);
}
