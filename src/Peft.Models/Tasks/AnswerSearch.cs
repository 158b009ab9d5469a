namespace Peft.Models;

/// <summary>Finds the best answer in the windows over a context.</summary>
internal static class AnswerSearch
{
    /// <summary>The answer with the largest sum of start and end logits, up to a maximum length, as in transformers' SQuAD example.</summary>
    /// <param name="context">The context.</param>
    /// <param name="windows">The windows, each with its logits <c>[sequence, 2]</c> of start and end, possibly with padding.</param>
    /// <param name="maxTokens">Maximum number of tokens of an answer.</param>
    /// <param name="allowsNone">True to allow the result "no answer", which the first token represents.</param>
    public static Answer Best(string context, IReadOnlyList<(AnswerWindow Window, float[] Logits)> windows, int maxTokens, bool allowsNone)
    {
        var best = (Score: double.NegativeInfinity, Start: 0, End: 0);
        var none = double.PositiveInfinity;
        List<float> starts = [], ends = [];
        foreach (var (window, logits) in windows)
        {
            none = Math.Min(none, (double)logits[0] + logits[1]);
            for (var start = 0; start < window.Ranges.Count; start++)
            {
                if (window.Ranges[start] is not { } from) continue;
                starts.Add(logits[2 * start]);
                ends.Add(logits[2 * start + 1]);
                for (var end = start; end < window.Ranges.Count && end - start < maxTokens; end++)
                    if (window.Ranges[end] is { } to && to.End > from.Start && (double)logits[2 * start] + logits[2 * end + 1] is var score && score > best.Score) best = (score, from.Start, to.End);
            }
        }
        var total = LogOfSum(starts) + LogOfSum(ends);
        if (!allowsNone) return Found(Math.Exp(best.Score - total));
        // The first token counts as an additional start and end.
        var all = LogOfSum([(float)total, (float)none]);
        return none > best.Score ? new("", 0, 0, Math.Exp(none - all)) : Found(Math.Exp(best.Score - all));

        Answer Found(double probability) => new(context[best.Start..best.End], best.Start, best.End, probability);
    }

    private static double LogOfSum(IReadOnlyCollection<float> logits)
    {
        double largest = logits.Max();
        return largest + Math.Log(logits.Sum(logit => Math.Exp(logit - largest)));
    }
}
