namespace Peft;

/// <summary>Registers the options type of a <c>peft_type</c> in a method's assembly. Any assembly that references Peft.Core may use it.</summary>
/// <param name="peftType">The method, as in <c>adapter_config.json</c>.</param>
/// <param name="options">The options type, an <see cref="AdapterOptions"/>.</param>
[AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
public sealed class AdapterMethodAttribute(string peftType, Type options) : Attribute
{
    /// <summary>The method, as in <c>adapter_config.json</c>.</summary>
    public string PeftType { get; } = peftType;

    /// <summary>The options type.</summary>
    public Type Options { get; } = options;
}
