namespace Peft;

/// <summary>Fields of <c>adapter_config.json</c> that Hugging Face PEFT's class for the method does not have. They are written only if they are set. Adds to the fields of base types.</summary>
/// <param name="fields">Names of the fields in the file.</param>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true)]
public sealed class WrittenIfSetAttribute(params string[] fields) : Attribute
{
    /// <summary>Names of the fields in the file.</summary>
    public IReadOnlyList<string> Fields { get; } = fields;
}
