using Peft.Tokenizers;

namespace Peft.Models;

/// <summary>A question with the part of the context that fits into the model's input.</summary>
/// <param name="Text">The tokens of question and context.</param>
/// <param name="Places">Range of each token in the context; null for tokens of the question and special tokens.</param>
internal sealed record AnswerWindow(EncodedText Text, IReadOnlyList<TextRange?> Places)
{
    /// <summary>The windows over a context.</summary>
    /// <param name="question">The question.</param>
    /// <param name="context">The context.</param>
    /// <param name="encoder">The encoder, which also limits the length of a window.</param>
    /// <param name="stride">Number of tokens that adjacent windows share.</param>
    /// <param name="error">Creates the exception for invalid input.</param>
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

    /// <summary>The first and the last token of an answer; 0 and 0 if the window does not contain the whole answer.</summary>
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
