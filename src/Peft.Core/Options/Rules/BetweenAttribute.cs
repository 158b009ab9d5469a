namespace Peft;

/// <summary>The option is a number between two bounds, which are values themselves.</summary>
/// <param name="minimum">The least value.</param>
/// <param name="maximum">The greatest value.</param>
public sealed class BetweenAttribute(double minimum, double maximum) : OptionRuleAttribute
{
    /// <summary>The least value.</summary>
    public double Minimum { get; } = minimum;

    /// <summary>The greatest value.</summary>
    public double Maximum { get; } = maximum;

    protected override string Requirement => $"lie between {Minimum} and {Maximum}";

    protected override bool Allows(object value) => Number(value) is var number && number >= Minimum && number <= Maximum;
}
