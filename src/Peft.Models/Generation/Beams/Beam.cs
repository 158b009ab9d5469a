namespace Peft.Models;

/// <summary>A sequence that a beam search is extending.</summary>
/// <param name="Tokens">The new tokens.</param>
/// <param name="Score">The sum of their scores.</param>
/// <param name="From">Index of the beam that it extends.</param>
internal sealed record Beam(IReadOnlyList<int> Tokens, float Score, int From);
