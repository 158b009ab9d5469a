namespace Peft.Models;

/// <summary>An answer extracted from a context.</summary>
/// <param name="Text">The answer as in the context; empty if there is no answer.</param>
/// <param name="Start">Index of its first character in the context.</param>
/// <param name="End">Index after its last character.</param>
/// <param name="Probability">Probability of the answer: that of its start times that of its end, over all tokens of the context.</param>
public sealed record Answer(string Text, int Start, int End, double Probability)
{
    /// <summary>True if an answer was found.</summary>
    public bool IsFound => Text is { Length: > 0 };
}
