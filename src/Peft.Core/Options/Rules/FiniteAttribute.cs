namespace Peft;

/// <summary>The option is a number: neither NaN nor infinite.</summary>
public sealed class FiniteAttribute : OptionRuleAttribute
{
    protected override string Requirement => "be a number";

    protected override bool Allows(object value) => double.IsFinite(Number(value));
}
