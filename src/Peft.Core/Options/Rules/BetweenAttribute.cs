namespace Peft;

/// <summary>The option is a number between two bounds, both inclusive.</summary>
/// <param name="minimum">The smallest valid value.</param>
/// <param name="maximum">The largest valid value.</param>
public sealed class BetweenAttribute(double minimum, double maximum) : OptionRuleAttribute
{
    /// <summary>The smallest valid value.</summary>
    public double Minimum { get; } = minimum;

    /// <summary>The largest valid value.</summary>
    public double Maximum { get; } = maximum;

    protected override string Requirement => $"be between {Minimum} and {Maximum}";

    protected override bool Allows(object value) => Number(value) is var number && number >= Minimum && number <= Maximum;
}
