using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>Reads options of any method: a configuration with its <c>peft_type</c>, or only the <c>peft_type</c> for the method's defaults.</summary>
internal sealed class AdapterOptionsConverter : JsonConverter<AdapterOptions>
{
    public override AdapterOptions Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var fields = reader.TokenType == JsonTokenType.String ? new JsonObject { ["peft_type"] = reader.GetString() } : JsonNode.Parse(ref reader);
        return AdapterConfig.Parse(fields?.ToJsonString() ?? "null", "the adapter's configuration");
    }

    public override void Write(Utf8JsonWriter writer, AdapterOptions value, JsonSerializerOptions options) => JsonNode.Parse(AdapterConfig.Write(value))!.WriteTo(writer, options);
}
