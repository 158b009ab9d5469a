using System.Globalization;

namespace Peft.Models.Jinja;

/// <summary>What filters such as <c>map(attribute='function.name')</c> look up in each item.</summary>
internal sealed class AttributePath
{
    readonly object?[] parts;

    public AttributePath(object? attribute)
        => parts = attribute is string text
            ? [.. text.Split('.').Select(part => part.Length is > 0 and < 10 && part.All(char.IsAsciiDigit) ? (object)long.Parse(part, CultureInfo.InvariantCulture) : part)]
            : [attribute];

    public object? Of(object? item)
    {
        foreach (var part in parts) item = Members.Item(item, part);
        return item;
    }
}
