namespace Peft.Models;

/// <summary>Extractive question answering with a <see cref="QuestionAnswerer"/>.</summary>
public static class Answering
{
    /// <summary>Answers a question.</summary>
    /// <param name="model">The model, with or without adapters.</param>
    /// <param name="question">The question.</param>
    /// <param name="context">The text that contains the answer, of any length.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">Lengths of windows and answers; null for the defaults.</param>
    /// <exception cref="ArgumentException">The question or the context is empty, or the question is too long.</exception>
    public static Answer Answer(this QuestionAnswerer model, string question, string context, Tokenizer tokenizer, AnswerOptions? options = null)
        => model.Answer([(question, context)], tokenizer, options)[0];

    /// <summary>Answers several questions. The answers have the order of the questions.</summary>
    /// <param name="model">The model, with or without adapters.</param>
    /// <param name="questions">The questions, each with the context that contains its answer.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">Lengths of windows and answers; null for the defaults.</param>
    /// <exception cref="ArgumentException">A question or context is empty, or a question is too long. The message has its index.</exception>
    public static IReadOnlyList<Answer> Answer(this QuestionAnswerer model, IEnumerable<(string Question, string Context)> questions, Tokenizer tokenizer, AnswerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(questions);
        options ??= new();
        ArgumentOutOfRangeException.ThrowIfNegative(options.Stride, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxAnswerTokens, 1, nameof(options));
        var encoder = new TextEncoder(tokenizer, Prediction.MaxLength(model, tokenizer, options.MaxLength), truncates: false);
        var all = questions.ToList();
        var windows = all.SelectMany((each, i) =>
        {
            Exception Error(string what) => new ArgumentException($"Question {i}: {what}", nameof(questions));
            if (string.IsNullOrWhiteSpace(each.Question)) throw Error("the question is empty.");
            if (string.IsNullOrWhiteSpace(each.Context)) throw Error("the context is empty.");
            return AnswerWindow.Of(each.Question, each.Context, encoder, options.Stride, Error).Select(window => (Question: i, Window: window));
        }).ToList();
        var logits = Prediction.Run(model, [.. windows.Select(each => each.Window.Text)], tokenizer, options.BatchSize, model.OwnLogits, (_, values) => values);
        var found = windows.Zip(logits).ToLookup(pair => pair.First.Question, pair => (pair.First.Window, pair.Second));
        return [.. all.Select((each, i) => AnswerSearch.Best(each.Context, [.. found[i]], options.MaxAnswerTokens, options.AllowNoAnswer))];
    }
}
