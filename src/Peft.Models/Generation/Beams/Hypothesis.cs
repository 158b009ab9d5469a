namespace Peft.Models;

/// <summary>A result of a beam search.</summary>
/// <param name="Tokens">The new tokens, including an end-of-sequence token.</param>
/// <param name="Score">The sum of the tokens' scores (log-probabilities, unless a processor changed them), divided by the number of tokens to the power of the length penalty.</param>
public sealed record Hypothesis(IReadOnlyList<int> Tokens, double Score);
