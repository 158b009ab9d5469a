using System.Text;

namespace Peft.Tokenizers;

/// <summary>Concatenates all strings.</summary>
internal sealed class FuseDecoder : IDecoder
{
    public List<string> Decode(List<string> tokens, TextBudget budget) => [string.Concat(tokens)];
}

/// <summary>Replaces a pattern in each string.</summary>
internal sealed class ReplaceDecoder(TextPattern pattern, string content) : IDecoder
{
    public List<string> Decode(List<string> tokens, TextBudget budget) => tokens.ConvertAll(token =>
    {
        var matches = pattern.FindMatches(token, budget);
        budget.Charge(matches.Sum(match => match.IsMatch ? (long)content.Length : match.End - match.Start));
        return string.Concat(matches.Select(match => match.IsMatch ? content : token[match.Start..match.End]));
    });
}

/// <summary>Removes up to a given number of a character from the start and the end of each string.</summary>
internal sealed class StripDecoder(Rune character, int start, int stop) : IDecoder
{
    public List<string> Decode(List<string> tokens, TextBudget budget) => tokens.ConvertAll(token =>
    {
        var runes = token.EnumerateRunes().ToArray();
        var first = 0;
        while (first < start && first < runes.Length && runes[first] == character)
            first++;
        var last = runes.Length;
        while (runes.Length - last < stop && last > first && runes[last - 1] == character)
            last--;
        return string.Concat(runes[first..last]);
    });
}

/// <summary>Replaces SentencePiece's mark by spaces, and removes the one that the encoder prepended.</summary>
internal sealed class MetaspaceDecoder(string replacement, PrependScheme scheme) : IDecoder
{
    public List<string> Decode(List<string> tokens, TextBudget budget) => [.. tokens.Select((token, i) =>
        token.Replace(replacement, i == 0 && scheme != PrependScheme.Never ? "" : " ", StringComparison.Ordinal))];
}

/// <summary>Replaces the end-of-word suffix by a space.</summary>
internal sealed class BpeDecoder(string suffix) : IDecoder
{
    public List<string> Decode(List<string> tokens, TextBudget budget) => suffix.Length == 0 ? tokens : [.. tokens.Select((token, i) =>
        token.Replace(suffix, i == tokens.Count - 1 ? "" : " ", StringComparison.Ordinal))];
}
