namespace Peft;

/// <summary>
/// Tells notebooks how a type is displayed. .NET Interactive finds the attribute by its name and calls the formatter by reflection, so no reference to .NET Interactive is needed.
/// </summary>
/// <param name="formatterSourceType">A <see cref="HtmlDisplay{T}"/> of the type.</param>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class TypeFormatterSourceAttribute(Type formatterSourceType) : Attribute
{
    public Type FormatterSourceType { get; } = formatterSourceType;

    public string[] PreferredMimeTypes { get; set; } = ["text/html"];
}
