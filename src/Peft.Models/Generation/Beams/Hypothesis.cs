namespace Peft.Models;

/// <summary>What a beam search found.</summary>
/// <param name="Tokens">The new tokens, an end-of-sequence token included.</param>
/// <param name="Score">The sum of their scores (log-probabilities, if nothing changed them), divided by their number to the power of the length penalty.</param>
public sealed record Hypothesis(IReadOnlyList<int> Tokens, double Score);
