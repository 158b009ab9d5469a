using System.ComponentModel;

namespace Peft.Models;

/// <summary>Exponential growth of the scores of end-of-sequence tokens.</summary>
/// <param name="Start">Number of new tokens after which the growth begins.</param>
/// <param name="Factor">Growth factor per token.</param>
[TypeConverter(typeof(TextConverter<LengthDecay>))]
public readonly record struct LengthDecay(int Start, double Factor)
{
    /// <summary>Converts a pair of start and factor.</summary>
    public static implicit operator LengthDecay((int Start, double Factor) pair) => new(pair.Start, pair.Factor);
}
