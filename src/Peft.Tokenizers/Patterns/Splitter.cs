namespace Peft.Tokenizers;

/// <summary>Splits text at the matches of a pattern.</summary>
internal static class Splitter
{
    public static IEnumerable<PreTokenizedText.Piece> Split(NormalizedText text, TextPattern pattern, SplitBehavior behavior)
    {
        var matches = pattern.FindMatches(text.Text, text.Budget);
        return (behavior switch
        {
            SplitBehavior.Removed => matches.Where(match => !match.IsMatch),
            SplitBehavior.Isolated => matches,
            SplitBehavior.Contiguous => Join(matches, (previous, match) => previous == match),
            SplitBehavior.MergedWithPrevious => Join(matches, (previous, match) => match && !previous),
            _ => JoinWithNext(matches),
        }).Select(match => new PreTokenizedText.Piece(text.Slice(match.Start, match.End), null));
    }

    private static List<TextMatch> Join(List<TextMatch> matches, Func<bool, bool, bool> joins)
    {
        var result = new List<TextMatch>(matches.Count);
        // Nothing precedes the first part. This counts as a non-match, which determines whether a match at the very beginning joins.
        var previous = false;
        foreach (var match in matches)
        {
            if (result.Count > 0 && joins(previous, match.IsMatch))
                result[^1] = result[^1] with { End = match.End };
            else
                result.Add(match);
            previous = match.IsMatch;
        }
        return result;
    }

    private static List<TextMatch> JoinWithNext(List<TextMatch> matches)
    {
        var result = new List<TextMatch>(matches.Count);
        var next = false;
        for (var i = matches.Count - 1; i >= 0; i--)
        {
            if (result.Count > 0 && matches[i].IsMatch && !next)
                result[^1] = result[^1] with { Start = matches[i].Start };
            else
                result.Add(matches[i]);
            next = matches[i].IsMatch;
        }
        result.Reverse();
        return result;
    }
}
