using Peft.Tokenizers;

namespace Peft.Models;

/// <summary>A question with the part of the context that fits into the model's input.</summary>
/// <param name="Text">The tokens of question and context.</param>
/// <param name="Ranges">Range of each token in the context; null for tokens of the question and special tokens.</param>
internal sealed record AnswerWindow(EncodedText Text, IReadOnlyList<TextRange?> Ranges)
{
    /// <summary>The sequences of a tokenized row (<see cref="TokenRows"/>): those of the text, and the start and end of the range of each token, −1 for none.</summary>
    public long[][] Sequences => [.. Text.Sequences, [.. Ranges.Select(range => (long)(range?.Start ?? -1))], [.. Ranges.Select(range => (long)(range?.End ?? -1))]];

    /// <summary>Reads <see cref="Sequences"/>.</summary>
    public static AnswerWindow Of(long[][] row) => new(EncodedText.Of(row), [.. row[2].Zip(row[3], (start, end) => start < 0 ? (TextRange?)null : new((int)start, (int)end))]);

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
        var positions = new TextPositions(context);
        foreach (var window in TextWindows.Of(tokens, 1, encoder.MaxLength, stride, error))
            yield return new(EncodedText.Of(tokens, window), [.. window.Select(i => tokens.SequenceIds[i] == 1 ? (TextRange?)Range(tokens.Offsets[i]) : null)]);

        TextRange Range((int, int) offsets)
        {
            var (start, end) = positions.Range(offsets);
            return new(start, end);
        }
    }

    /// <summary>The first and the last token of an answer; 0 and 0 if the window does not contain the whole answer.</summary>
    public (int Start, int End) Find(TextRange answer)
    {
        var (start, end) = (-1, -1);
        for (var i = 0; i < Ranges.Count; i++)
        {
            if (Ranges[i] is not { } range || range.Start == range.End) continue;
            if (start < 0 && range.Start <= answer.Start && answer.Start < range.End) start = i;
            if (range.Start < answer.End && answer.End <= range.End) end = i;
        }
        return start >= 0 && end >= start ? (start, end) : (0, 0);
    }
}
