using System.Text.Json;

namespace Peft;

/// <summary>Factor on a bottleneck's output: a fixed number, a learned scalar, or a learned vector with an element per channel.</summary>
[JsonConverter(typeof(Converter))]
[TypeConverter(typeof(TextConverter<BottleneckScaling>))]
public sealed record BottleneckScaling
{
    private BottleneckScaling(string? name, double factor) => (Name, Factor) = (name, factor);

    /// <summary>A learned scalar, initialized to 1.</summary>
    public static BottleneckScaling Learned { get; } = new("learned", 1);

    /// <summary>A learned factor per channel, initialized to 1.</summary>
    public static BottleneckScaling PerChannel { get; } = new("channel", 1);

    /// <summary><c>learned</c> or <c>channel</c>; null for a fixed factor.</summary>
    public string? Name { get; }

    /// <summary>The fixed factor.</summary>
    public double Factor { get; }

    /// <summary>A fixed factor.</summary>
    public static implicit operator BottleneckScaling(double factor) => new(null, factor);

    public override string ToString() => Name ?? Factor.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private sealed class Converter : JsonConverter<BottleneckScaling>
    {
        public override BottleneckScaling Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
        {
            JsonTokenType.Number => reader.GetDouble(),
            JsonTokenType.String => reader.GetString() switch { "learned" => Learned, "channel" => PerChannel, var name => throw new JsonException($"scaling must be a number, \"learned\" or \"channel\", but was \"{name}\".") },
            _ => throw new JsonException("scaling must be a number, \"learned\" or \"channel\"."),
        };

        public override void Write(Utf8JsonWriter writer, BottleneckScaling value, JsonSerializerOptions options)
        {
            if (value.Name is not null) writer.WriteStringValue(value.Name);
            else JsonSerializer.Serialize(writer, value.Factor, options);
        }
    }
}
