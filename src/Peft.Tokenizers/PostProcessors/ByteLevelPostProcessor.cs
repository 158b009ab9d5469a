namespace Peft.Tokenizers;

/// <summary>Excludes spaces from the offsets of byte-level tokens.</summary>
internal sealed class ByteLevelPostProcessor(bool trimOffsets, bool addPrefixSpace) : IPostProcessor
{
    public int AddedTokens(bool isPair) => 0;

    public List<List<TokenEntry>> Process(List<List<TokenEntry>> sequences, bool addSpecialTokens, TextBudget budget)
        => trimOffsets ? [.. sequences.Select(Trim)] : sequences;

    private List<TokenEntry> Trim(List<TokenEntry> tokens)
    {
        var result = new List<TokenEntry>(tokens.Count);
        foreach (var token in tokens)
            result.Add(Trim(token, result.Count == 0));
        return result;
    }

    private TokenEntry Trim(TokenEntry token, bool first)
    {
        var leading = token.Token.TakeWhile(IsSpace).Count();
        var trailing = token.Token.Reverse().TakeWhile(IsSpace).Count();
        // The offsets never include a prepended space.
        if (leading == 1 && addPrefixSpace && (first || token.Start == 0))
            leading = 0;
        var start = leading > 0 ? Math.Min(token.Start + leading, token.End) : token.Start;
        var end = trailing > 0 && token.End >= trailing ? Math.Max(token.End - trailing, start) : token.End;
        return token with { Start = start, End = end };
    }

    private static bool IsSpace(char c) => c == ByteAlphabet.Space || char.IsWhiteSpace(c);
}
