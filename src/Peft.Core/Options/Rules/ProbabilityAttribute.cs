namespace Peft;

/// <summary>The option is a probability or fraction in [0, 1).</summary>
public sealed class ProbabilityAttribute : OptionRuleAttribute
{
    protected override string Requirement => "be at least 0 and below 1";

    protected override bool Allows(object value) => Number(value) is >= 0 and < 1;
}
