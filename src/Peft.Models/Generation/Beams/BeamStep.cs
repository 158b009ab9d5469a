namespace Peft.Models;

/// <summary>A candidate for the next token of a beam.</summary>
/// <param name="From">Index of the beam.</param>
/// <param name="Token">The next token.</param>
/// <param name="Score">The sum of the beam's scores, including this token's.</param>
internal readonly record struct BeamStep(int From, int Token, float Score);
