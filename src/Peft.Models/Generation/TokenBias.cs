using System.ComponentModel;

namespace Peft.Models;

/// <summary>A liking for, or a dislike of, a run of tokens.</summary>
/// <param name="Tokens">The run, at least one token.</param>
/// <param name="Bias">What is added to the score of its last token where the others stand before it.</param>
[TypeConverter(typeof(TextConverter<TokenBias>))]
public sealed record TokenBias(IReadOnlyList<int> Tokens, double Bias);
