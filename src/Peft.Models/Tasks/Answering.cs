namespace Peft.Models;

/// <summary>An answer that stands in a text.</summary>
/// <param name="Text">The answer as it stands there; empty if the text does not say.</param>
/// <param name="Start">Its first character in the text.</param>
/// <param name="End">The character after its last.</param>
/// <param name="Probability">Its probability: that of its start times that of its end, among all tokens of the text.</param>
public sealed record Answer(string Text, int Start, int End, double Probability)
{
    /// <summary>Whether the text has an answer.</summary>
    public bool IsFound => Text is { Length: > 0 };
}

/// <summary>How answers are looked for.</summary>
public sealed record AnswerOptions
{
    /// <summary>Windows that run at the same time. 32.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Most tokens of question and text; null for what the tokenizer and the model allow. Longer texts are read in windows.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Tokens that neighbouring windows share. 128.</summary>
    public int Stride { get; init; } = 128;

    /// <summary>Most tokens of an answer. 30.</summary>
    public int MaxAnswerTokens { get; init; } = 30;

    /// <summary>Whether the model may say that there is no answer, if it was trained on such questions. False.</summary>
    public bool AllowNoAnswer { get; init; }
}

/// <summary>Answers to questions about texts, by a <see cref="QuestionAnswerer"/>.</summary>
public static class Answering
{
    /// <summary>The answer to a question.</summary>
    /// <param name="model">The model, with or without adapters.</param>
    /// <param name="question">The question.</param>
    /// <param name="context">The text that holds the answer, of any length.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="options">Length of windows and answers; the defaults if null.</param>
    /// <exception cref="ArgumentException">The question or the text is empty, or the question leaves no room for the text.</exception>
    public static Answer Answer(this QuestionAnswerer model, string question, string context, Tokenizer tokenizer, AnswerOptions? options = null)
        => model.Answer([(question, context)], tokenizer, options)[0];

    /// <summary>The answers to questions, in their order.</summary>
    /// <param name="model">The model, with or without adapters.</param>
    /// <param name="questions">Questions, each with the text that holds its answer.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="options">Length of windows and answers; the defaults if null.</param>
    /// <exception cref="ArgumentException">A question or text is empty, or a question leaves no room for its text; its number is named.</exception>
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
        var logits = Prediction.Run(model, [.. windows.Select(each => each.Window.Text)], tokenizer, options.BatchSize, model.OwnLogits, (_, numbers) => numbers);
        var found = windows.Zip(logits).ToLookup(pair => pair.First.Question, pair => (pair.First.Window, pair.Second));
        return [.. all.Select((each, i) => AnswerSearch.Best(each.Context, [.. found[i]], options.MaxAnswerTokens, options.AllowNoAnswer))];
    }
}
