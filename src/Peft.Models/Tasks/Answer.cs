namespace Peft.Models;

/// <summary>An answer extracted from a context.</summary>
/// <param name="Text">The answer, verbatim from the context; empty if there is none.</param>
/// <param name="Start">Index of its first character in the context.</param>
/// <param name="End">Index after its last character.</param>
/// <param name="Probability">Probability of the answer: the product of the probabilities of its start and its end among all tokens of the context.</param>
public sealed record Answer(string Text, int Start, int End, double Probability)
{
    /// <summary>True if an answer was found.</summary>
    public bool IsFound => Text is { Length: > 0 };
}
