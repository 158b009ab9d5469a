using System.ComponentModel;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;

namespace Peft;

/// <summary>
/// Reads a value from JSON text, for binders of settings (<c>IConfiguration</c>), which provide only text. Text that is not JSON is read as a
/// string, and a single value is read as a list of one where a list is expected.
/// </summary>
/// <typeparam name="T">Type of the value.</typeparam>
public sealed class TextConverter<T> : TypeConverter
{
    private static readonly JsonSerializerOptions Json = new() { TypeInfoResolver = new DefaultJsonTypeInfoResolver() };
    private static readonly bool IsList = typeof(T).IsGenericType && typeof(T).GetGenericTypeDefinition() == typeof(IReadOnlyList<>);

    /// <inheritdoc/>
    public override bool CanConvertFrom(ITypeDescriptorContext? context, Type sourceType) => sourceType == typeof(string);

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">The value is not text.</exception>
    /// <exception cref="FormatException">The text is not a valid value.</exception>
    public override object? ConvertFrom(ITypeDescriptorContext? context, CultureInfo? culture, object value)
    {
        if (value is not string text) throw GetConvertFromException(value);
        Exception? last = null;
        foreach (var form in Forms(text))
        {
            try
            {
                if (form.Deserialize<T>(Json) is { } read) return read;
            }
            catch (Exception error) when (error is JsonException or InvalidOperationException or NotSupportedException or FormatException or PeftException)
            {
                last = error;
            }
        }
        throw new FormatException($"'{text}' is not a valid {Name(typeof(T))}{(last is PeftException ? $": {last.Message}" : ".")}", last);
    }

    private static IEnumerable<JsonNode> Forms(string text)
    {
        if (IsList && text.Length == 0) yield return new JsonArray();   // an empty list in a settings file
        if (Parsed(text) is { } json)
        {
            yield return json;
            if (IsList) yield return new JsonArray(json.DeepClone());
        }
        yield return JsonValue.Create(text);
        if (IsList) yield return new JsonArray(JsonValue.Create(text));
    }

    // IConfiguration writes true as "True".
    private static JsonNode? Parsed(string text)
    {
        if (bool.TryParse(text, out var flag)) return JsonValue.Create(flag);
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Name(Type type)
        => type.IsGenericType ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>" : type.Name;
}
