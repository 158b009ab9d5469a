namespace Peft;

/// <summary>The option is a number other than 0.</summary>
public sealed class NotZeroAttribute : OptionRuleAttribute
{
    protected override string Requirement => "not be 0";

    protected override bool Allows(object value) => Number(value) != 0;

    protected override string ErrorOf(string name, object value) => $"{name} must {Requirement}.";
}
