namespace Peft;

/// <summary>The option is one of a few strings.</summary>
/// <param name="values">The strings, including null if the option may be null, for the error message.</param>
public sealed class OneOfAttribute(params string?[] values) : OptionRuleAttribute
{
    /// <summary>The strings.</summary>
    public IReadOnlyList<string?> Values { get; } = values ?? throw new ArgumentNullException(nameof(values));

    protected override string Requirement => $"be {Choice.Of([.. Values.Select(value => value is null ? "null" : $"'{value}'")])}";

    protected override bool Allows(object value) => value is string text && Values.Contains(text);
}
