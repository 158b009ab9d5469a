namespace Peft.Models;

/// <summary>Options for question answering.</summary>
public sealed record AnswerOptions
{
    /// <summary>Number of windows per batch. Default 32.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Maximum number of tokens of question and context; null for the limit of tokenizer and model. Longer contexts are split into windows.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Number of tokens that adjacent windows share. Default 128.</summary>
    public int Stride { get; init; } = 128;

    /// <summary>Maximum number of tokens of an answer. Default 30.</summary>
    public int MaxAnswerTokens { get; init; } = 30;

    /// <summary>True to allow the result "no answer", if the model was trained with unanswerable questions. Default false.</summary>
    public bool AllowNoAnswer { get; init; }
}
