using System.Globalization;

namespace Peft.Tokenizers.Jinja;

/// <summary>The path that filters such as <c>map(attribute='function.name')</c> look up in each item.</summary>
internal sealed class AttributePath
{
    private readonly object?[] parts;

    public AttributePath(object? attribute)
        => parts = attribute is string text
            ? [.. text.Split('.').Select(part => part.Length is > 0 and < 10 && part.All(char.IsAsciiDigit) ? (object)long.Parse(part, CultureInfo.InvariantCulture) : part)]
            : [attribute];

    public object? Of(RenderRun run, object? item)
    {
        foreach (var part in parts)
        {
            run.Step();
            item = Members.Item(run, item, part);
        }
        return item;
    }
}
