namespace Peft.Models;

/// <summary>A question and the part of a text that a model reads with it.</summary>
/// <param name="Text">The tokens.</param>
/// <param name="Places">Where each token stands in the text; null for a token of the question or the template.</param>
internal sealed record AnswerWindow(EncodedText Text, IReadOnlyList<TextRange?> Places)
{
    /// <summary>The windows over a text.</summary>
    /// <param name="question">The question.</param>
    /// <param name="context">The text.</param>
    /// <param name="encoder">Makes the ids, and says how long a window may be.</param>
    /// <param name="stride">Tokens that neighbouring windows share.</param>
    /// <param name="error">Makes the exception for what is of no use.</param>
    public static IEnumerable<AnswerWindow> Of(string question, string context, TextEncoder encoder, int stride, Func<string, Exception> error)
    {
        var tokens = encoder.Whole(question, context);
        if (!tokens.SequenceIds.Contains(1)) throw error("the context has no tokens.");
        var places = new TextPlaces(context);
        foreach (var window in TextWindows.Of(tokens, 1, encoder.MaxLength, stride, error))
            yield return new(EncodedText.Of(tokens, window), [.. window.Select(i => tokens.SequenceIds[i] == 1 ? (TextRange?)Range(tokens.Offsets[i]) : null)]);

        TextRange Range((int, int) offsets)
        {
            var (start, end) = places.Range(offsets);
            return new(start, end);
        }
    }

    /// <summary>The first and the last token of an answer; 0 and 0 if not all of it is in the window.</summary>
    public (int Start, int End) Find(TextRange answer)
    {
        var (start, end) = (-1, -1);
        for (var i = 0; i < Places.Count; i++)
        {
            if (Places[i] is not { } place || place.Start == place.End) continue;
            if (start < 0 && place.Start <= answer.Start && answer.Start < place.End) start = i;
            if (place.Start < answer.End && answer.End <= place.End) end = i;
        }
        return start >= 0 && end >= start ? (start, end) : (0, 0);
    }
}

/// <summary>The best answer in the windows over a text.</summary>
internal static class AnswerSearch
{
    /// <summary>As transformers' recipe for SQuAD: the largest sum of a start's and an end's logit, of answers that are not too long.</summary>
    /// <param name="context">The text.</param>
    /// <param name="windows">The windows, each with its logits <c>[sequence, 2]</c> of start and end; padding may follow.</param>
    /// <param name="maxTokens">Most tokens of an answer.</param>
    /// <param name="allowsNone">Whether there may be no answer, which the first token stands for.</param>
    public static Answer Best(string context, IReadOnlyList<(AnswerWindow Window, float[] Logits)> windows, int maxTokens, bool allowsNone)
    {
        var best = (Score: double.NegativeInfinity, Start: 0, End: 0);
        var none = double.PositiveInfinity;
        List<float> starts = [], ends = [];
        foreach (var (window, logits) in windows)
        {
            none = Math.Min(none, (double)logits[0] + logits[1]);
            for (var start = 0; start < window.Places.Count; start++)
            {
                if (window.Places[start] is not { } from) continue;
                starts.Add(logits[2 * start]);
                ends.Add(logits[2 * start + 1]);
                for (var end = start; end < window.Places.Count && end - start < maxTokens; end++)
                    if (window.Places[end] is { } to && to.End > from.Start && (double)logits[2 * start] + logits[2 * end + 1] is var score && score > best.Score) best = (score, from.Start, to.End);
            }
        }
        var total = LogOfSum(starts) + LogOfSum(ends);
        if (!allowsNone) return Found(Math.Exp(best.Score - total));
        // The first token takes part as a start and an end of its own.
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
