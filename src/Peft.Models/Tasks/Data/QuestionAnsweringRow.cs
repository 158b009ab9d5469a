namespace Peft.Models;

/// <summary>A question, a context that contains its answer, and the correct answers.</summary>
/// <param name="Question">The question.</param>
/// <param name="Context">The context.</param>
/// <param name="Answers">The correct answers, verbatim as in the context; empty if the question is unanswerable. Training uses the first one, evaluation all of them.</param>
/// <param name="AnswerStart">Index of the first answer in the context; null for its first occurrence.</param>
public sealed record QuestionAnsweringRow(string Question, string Context, IReadOnlyList<string> Answers, int? AnswerStart = null);
