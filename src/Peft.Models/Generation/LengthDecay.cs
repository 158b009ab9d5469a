using System.ComponentModel;

namespace Peft.Models;

/// <summary>How the scores of end-of-sequence tokens grow.</summary>
/// <param name="Start">New tokens after which they begin to.</param>
/// <param name="Factor">By what they are multiplied with each token.</param>
[TypeConverter(typeof(TextConverter<LengthDecay>))]
public readonly record struct LengthDecay(int Start, double Factor)
{
    /// <summary>A start and a factor.</summary>
    public static implicit operator LengthDecay((int Start, double Factor) pair) => new(pair.Start, pair.Factor);
}
