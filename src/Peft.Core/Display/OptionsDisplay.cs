using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>Displays options in a notebook: the values that differ from the defaults, and the rest collapsed.</summary>
/// <typeparam name="T">Type of the options.</typeparam>
internal abstract class OptionsDisplay<T> : HtmlDisplay<T>
    where T : notnull
{
    private const int MaxItems = 8;

    /// <summary>Heading of the table.</summary>
    protected virtual string Title(T options) => options.GetType().Name;

    protected override IEnumerable<object?> Render(T options)
    {
        var defaults = options.GetType().GetConstructor(Type.EmptyTypes)?.Invoke(null);
        var rows = options.GetType().GetProperties()
            .Where(property => property.SetMethod is { IsPublic: true } && property.GetIndexParameters().Length == 0 && property.GetCustomAttribute<JsonExtensionDataAttribute>() is null)
            .Select(property => (property.Name, Value: Text(property.GetValue(options)), Default: defaults is null ? null : Text(property.GetValue(defaults)))).ToList();
        var changed = rows.Where(row => row.Value != row.Default).ToList();
        var rest = rows.Except(changed).ToList();
        yield return Markup.Tag("b", Title(options));
        if (changed.Count == 0) yield return Markup.Classed("div", "quiet", "all defaults");
        else yield return Markup.Table(["option", "value", "default"], changed.Select(row => new object?[] { row.Name, Markup.Classed("span", "accent", row.Value), Markup.Classed("span", "quiet", row.Default) }));
        if (rest.Count > 0) yield return Markup.Folded($"{rest.Count} defaults", Markup.Table(["", ""], rest.Select(row => new object?[] { row.Name, row.Value })));
    }

    private static string Text(object? value) => value switch
    {
        null => "—",
        string text => text,
        double number => Markup.Number(number),
        bool flag => flag ? "true" : "false",
        IDictionary map => Braced(map.Keys.Cast<object>().Select(key => $"{Text(key)}: {Text(map[key])}")),
        ModuleSelector { Pattern: not null } selector => selector.ToString(),
        IEnumerable items => Listed(items),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    private static string Listed(IEnumerable items)
    {
        var texts = items.Cast<object?>().Select(Text).ToList();
        return texts.Count <= MaxItems ? $"[{string.Join(", ", texts)}]" : $"[{string.Join(", ", texts.Take(MaxItems))}, … {texts.Count} in total]";
    }

    private static string Braced(IEnumerable<string> entries) => $"{{{string.Join(", ", entries)}}}";
}
