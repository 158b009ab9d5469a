namespace Peft;

/// <summary>Declares, in a method's assembly, the options type that a <c>peft_type</c> is read into. Open to any assembly that references Peft.Core.</summary>
/// <param name="peftType">The method, as in <c>adapter_config.json</c>.</param>
/// <param name="options">Its options, an <see cref="AdapterOptions"/>.</param>
[AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
public sealed class AdapterMethodAttribute(string peftType, Type options) : Attribute
{
    /// <summary>The method, as in <c>adapter_config.json</c>.</summary>
    public string PeftType { get; } = peftType;

    /// <summary>Its options.</summary>
    public Type Options { get; } = options;
}
