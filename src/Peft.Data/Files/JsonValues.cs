using System.Collections;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Peft.Data;

/// <summary>Values of column formats as JSON: times as ISO 8601, bytes as base64. A NaN or an infinity, which JSON lacks, is null.</summary>
internal static class JsonValues
{
    public static JsonObject Object(IEnumerable<KeyValuePair<string, object?>> fields, string place)
        => new(fields.Select(each => KeyValuePair.Create(each.Key, Value(each.Value, place))));

    public static JsonNode? Value(object? value, string place) => value switch
    {
        null => null,
        string text => JsonValue.Create(text),
        bool flag => JsonValue.Create(flag),
        float number => float.IsFinite(number) ? JsonValue.Create(number) : null,
        double number => double.IsFinite(number) ? JsonValue.Create(number) : null,
        Half number => Half.IsFinite(number) ? JsonValue.Create((float)number) : null,
        sbyte or byte or short or ushort or int or uint or long => JsonValue.Create(Convert.ToInt64(value, CultureInfo.InvariantCulture)),
        ulong number => JsonValue.Create(number),
        decimal number => JsonValue.Create(number),
        DateTime time => JsonValue.Create(time.ToString("O", CultureInfo.InvariantCulture)),
        DateTimeOffset time => JsonValue.Create(time.ToString("O", CultureInfo.InvariantCulture)),
        DateOnly day => JsonValue.Create(day.ToString("O", CultureInfo.InvariantCulture)),
        TimeOnly time => JsonValue.Create(time.ToString("O", CultureInfo.InvariantCulture)),
        TimeSpan span => JsonValue.Create(span.ToString("c", CultureInfo.InvariantCulture)),
        Guid id => JsonValue.Create(id.ToString()),
        byte[] bytes => JsonValue.Create(Convert.ToBase64String(bytes)),
        IEnumerable<KeyValuePair<string, object?>> fields => Object(fields, place),
        IDictionary map => new JsonObject(map.Keys.Cast<object>().Select(key => KeyValuePair.Create(Convert.ToString(key, CultureInfo.InvariantCulture)!, Value(map[key], place)))),
        IEnumerable list => new JsonArray([.. list.Cast<object?>().Select(each => Value(each, place))]),
        _ => throw new DatasetException($"{place}: values of {value.GetType().Name} are not supported."),
    };
}
