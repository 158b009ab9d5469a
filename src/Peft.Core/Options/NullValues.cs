using System.Collections;
using System.Reflection;
using System.Text.Json.Nodes;

namespace Peft;

/// <summary>Finds nulls in option properties that must not be null. Deserializers, reflection and code without nullable annotations can set them.</summary>
internal static class NullValues
{
    /// <summary>Returns the settable properties that are null, or are a list or map that contains null, although their type does not allow it.</summary>
    public static IEnumerable<PropertyInfo> In(object options)
    {
        var nullability = new NullabilityInfoContext();
        foreach (var property in options.GetType().GetProperties().Where(each => each.SetMethod is { IsPublic: true } && !each.PropertyType.IsValueType && each.GetIndexParameters().Length == 0))
        {
            var value = property.GetValue(options);
            if (value is null ? nullability.Create(property).ReadState == NullabilityState.NotNull : value is IEnumerable items and not string and not JsonNode && items.Cast<object?>().Any(IsNull)) yield return property;
        }
    }

    /// <summary>Returns one sentence per such property.</summary>
    public static IEnumerable<string> Errors(object options)
        => In(options).Select(property => property.GetValue(options) is null ? $"{property.Name} is null: omit it for its default." : $"{property.Name} contains null where a value is required.");

    private static bool IsNull(object? item)
        => item is null || (item.GetType() is { IsGenericType: true } type && type.GetGenericTypeDefinition() == typeof(KeyValuePair<,>) && type.GetProperty("Value")!.GetValue(item) is null);
}
