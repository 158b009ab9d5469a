using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>
/// A field that Hugging Face writes as <c>true</c>, <c>false</c> or a name (<c>init_weights</c>). The <see cref="JsonStringEnumMemberNameAttribute"/> of each
/// enum member gives its form: <c>true</c>, <c>false</c>, or the name.
/// </summary>
/// <typeparam name="T">The enum.</typeparam>
public sealed class FlagOrName<T> : JsonConverter<T> where T : struct, Enum
{
    private static readonly Dictionary<T, string> Names = typeof(T).GetFields().Where(field => field.IsLiteral)
        .ToDictionary(field => (T)field.GetValue(null)!, field => ((JsonStringEnumMemberNameAttribute)Attribute.GetCustomAttribute(field, typeof(JsonStringEnumMemberNameAttribute))!).Name);

    /// <inheritdoc/>
    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var name = reader.TokenType switch { JsonTokenType.True => "true", JsonTokenType.False => "false", JsonTokenType.String => reader.GetString(), _ => null };
        foreach (var (value, known) in Names)
            if (known == name) return value;
        throw new JsonException($"'{name}' is not a valid value. Valid values: {string.Join(", ", Names.Values)}.");
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        if (Names[value] is "true" or "false") writer.WriteBooleanValue(Names[value] == "true");
        else writer.WriteStringValue(Names[value]);
    }
}
