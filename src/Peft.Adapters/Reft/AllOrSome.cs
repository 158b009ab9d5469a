using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peft.Adapters;

/// <summary>The Adapters library's form of a choice of layers: <c>"all"</c>, here null, or a list of indices.</summary>
internal sealed class AllOrSome : JsonConverter<IReadOnlyList<int>?>
{
    private const string All = "all";

    public override bool HandleNull => true;

    public override IReadOnlyList<int>? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
    {
        JsonTokenType.Null => null,
        JsonTokenType.String => reader.GetString() is All ? null : throw new JsonException($"The layers are '{reader.GetString()}', but must be '{All}' or a list of indices."),
        _ => JsonSerializer.Deserialize<List<int>>(ref reader, options),
    };

    public override void Write(Utf8JsonWriter writer, IReadOnlyList<int>? value, JsonSerializerOptions options)
    {
        if (value is null) writer.WriteStringValue(All);
        else JsonSerializer.Serialize(writer, value.ToArray(), options);
    }
}
