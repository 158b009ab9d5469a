using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Tokenizers.Jinja;

/// <summary>
/// Converts .NET values for templates: null (None), bool, long, double and string are kept; JSON, dictionaries and sequences become <see cref="PyDict"/> and
/// <see cref="PyList"/>; other objects are serialized by System.Text.Json.
/// </summary>
internal static class PythonValue
{
    public static object? Of(object? value, JsonSerializerOptions? json = null)
    {
        try
        {
            return Convert(value, json);
        }
        catch (Exception exception) when (exception is InsufficientExecutionStackException or InvalidOperationException or ArgumentException or NotSupportedException or JsonException)
        {
            // The caller's value may contain itself, a duplicate name, an unpaired surrogate, or a value that JSON cannot represent.
            throw new ChatTemplateException($"A value of type {value?.GetType().Name} cannot be passed to a template: {exception.Message}", exception);
        }
    }

    private static object? Convert(object? value, JsonSerializerOptions? json) => value switch
    {
        null or bool or long or double or string or PySequence or PyDict or Undefined => value,
        int or short or byte or sbyte or ushort or uint => System.Convert.ToInt64(value, System.Globalization.CultureInfo.InvariantCulture),
        float number => (double)number,
        decimal number => (double)number,
        JsonNode node => OfNode(node),
        JsonElement element => OfElement(element),
        JsonDocument document => OfElement(document.RootElement),
        IEnumerable<KeyValuePair<string, object?>> pairs => PyDict.From(pairs.Select(pair => KeyValuePair.Create(pair.Key, Inner(pair.Value, json)))),
        IEnumerable<KeyValuePair<string, string>> pairs => PyDict.From(pairs.Select(pair => KeyValuePair.Create(pair.Key, (object?)pair.Value))),
        IEnumerable<object?> items => new PyList([.. items.Select(item => Inner(item, json))]),
        _ => OfElement(JsonSerializer.SerializeToElement(value, value.GetType(), json)),
    };

    private static object? Inner(object? value, JsonSerializerOptions? json)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        return Convert(value, json);
    }

    private static JsonNode Deeper(JsonNode node)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        return node;
    }

    // A node may contain any .NET value. Serialization determines its JSON type.
    private static object? OfNode(JsonNode node) => node switch
    {
        JsonObject fields => PyDict.From(fields.Select(field => KeyValuePair.Create(field.Key, field.Value is null ? null : OfNode(Deeper(field.Value))))),
        JsonArray items => new PyList([.. items.Select(item => item is null ? null : OfNode(Deeper(item)))]),
        _ => OfElement(JsonSerializer.SerializeToElement(node)),
    };

    private static object? OfElement(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => PyDict.From(element.EnumerateObject().Select(field => KeyValuePair.Create(field.Name, OfElement(field.Value)))),
        JsonValueKind.Array => new PyList([.. element.EnumerateArray().Select(OfElement)]),
        JsonValueKind.String => element.GetString(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        // 1.0 remains a float, as in Python. An integer beyond 64 bits becomes a float.
        JsonValueKind.Number => element.TryGetInt64(out var number) && !element.GetRawText().AsSpan().ContainsAny(".eE") ? number : (object)element.GetDouble(),
        _ => null,
    };
}
