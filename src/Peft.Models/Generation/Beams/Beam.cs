namespace Peft.Models;

/// <summary>A text that a beam search is writing.</summary>
/// <param name="Tokens">Its new tokens.</param>
/// <param name="Score">The sum of their scores.</param>
/// <param name="From">The beam that it went on from.</param>
internal sealed record Beam(IReadOnlyList<int> Tokens, float Score, int From);

/// <summary>A way to go on.</summary>
/// <param name="From">The beam.</param>
/// <param name="Token">Its next token.</param>
/// <param name="Score">The sum of its scores with that token's.</param>
internal readonly record struct BeamStep(int From, int Token, float Score);
