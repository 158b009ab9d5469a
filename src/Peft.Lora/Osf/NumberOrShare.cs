using System.Text.Json;

namespace Peft.Lora;

/// <summary>A count or a fraction in JSON: <c>8</c> is a count of eight, <c>0.5</c> is one half.</summary>
internal sealed class NumberOrShare : JsonConverter<double?>
{
    public override double? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType == JsonTokenType.Null ? null : reader.GetDouble();

    public override void Write(Utf8JsonWriter writer, double? value, JsonSerializerOptions options)
    {
        if (value is { } number) new WholeOrFraction().Write(writer, number, options);
        else writer.WriteNullValue();
    }
}
