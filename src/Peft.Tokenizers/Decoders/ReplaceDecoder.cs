namespace Peft.Tokenizers;

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
