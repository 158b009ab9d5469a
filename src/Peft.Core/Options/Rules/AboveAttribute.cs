namespace Peft;

/// <summary>The option is a number above an exclusive bound.</summary>
/// <param name="bound">The bound.</param>
public sealed class AboveAttribute(double bound) : OptionRuleAttribute
{
    /// <summary>The bound.</summary>
    public double Bound { get; } = bound;

    protected override string Requirement => $"be above {Bound}";

    protected override bool Allows(object value) => Number(value) > Bound;
}
