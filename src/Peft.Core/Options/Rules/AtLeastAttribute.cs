namespace Peft;

/// <summary>The option is a number that is not below a minimum.</summary>
/// <param name="minimum">The smallest valid value.</param>
public sealed class AtLeastAttribute(double minimum) : OptionRuleAttribute
{
    /// <summary>The smallest valid value.</summary>
    public double Minimum { get; } = minimum;

    protected override string Requirement => Minimum == 0 ? "not be negative" : $"be at least {Minimum}";

    protected override bool Allows(object value) => Number(value) >= Minimum;
}
