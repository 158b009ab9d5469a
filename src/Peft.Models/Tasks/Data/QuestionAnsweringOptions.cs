namespace Peft.Models;

/// <summary>Options of a <see cref="QuestionAnsweringDataset"/>.</summary>
public sealed record QuestionAnsweringOptions
{
    /// <summary>Name of the field with the question. Default <c>question</c>.</summary>
    public string QuestionField { get; init; } = "question";

    /// <summary>Name of the field with the context. Default <c>context</c>.</summary>
    public string ContextField { get; init; } = "context";

    /// <summary>Name of the field with the answers: SQuAD's object with the lists <c>text</c> and <c>answer_start</c>, or a single answer as a string. Default <c>answers</c>.</summary>
    public string AnswersField { get; init; } = "answers";

    /// <summary>
    /// Maximum number of tokens of question and context, special tokens included; null for the tokenizer's <see cref="Tokenizer.MaxLength"/>. Longer contexts are
    /// split into windows.
    /// </summary>
    public int? MaxLength { get; init; }

    /// <summary>Number of tokens that adjacent windows share. Default 128.</summary>
    public int Stride { get; init; } = 128;

    /// <summary>Maximum number of tokens of an answer in evaluation. Default 30.</summary>
    public int MaxAnswerTokens { get; init; } = 30;
}
