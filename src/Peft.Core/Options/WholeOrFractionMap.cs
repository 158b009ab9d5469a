using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>Numbers by name, each written without decimals if it is an integer.</summary>
public sealed class WholeOrFractionMap : JsonConverter<IReadOnlyDictionary<string, double>>
{
    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, double>? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        => JsonSerializer.Deserialize<Dictionary<string, double>>(ref reader, options);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, IReadOnlyDictionary<string, double> value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(value);
        writer.WriteStartObject();
        foreach (var (name, number) in value)
        {
            writer.WritePropertyName(name);
            new WholeOrFraction().Write(writer, number, options);
        }
        writer.WriteEndObject();
    }
}
