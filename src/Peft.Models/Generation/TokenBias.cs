using System.ComponentModel;

namespace Peft.Models;

/// <summary>A bias for or against a token sequence.</summary>
/// <param name="Tokens">The sequence, at least one token.</param>
/// <param name="Bias">The value added to the score of its last token if the others precede it.</param>
[TypeConverter(typeof(TextConverter<TokenBias>))]
public sealed record TokenBias(IReadOnlyList<int> Tokens, double Bias);
