using System.Text.Json;

namespace Peft;

/// <summary>A range of consecutive layers, with zero-based indices. A pair of numbers in a file.</summary>
/// <param name="Start">Index of the first layer.</param>
/// <param name="End">Index after the last layer (exclusive).</param>
[JsonConverter(typeof(Converter))]
[TypeConverter(typeof(TextConverter<LayerRange>))]
public readonly record struct LayerRange(int Start, int End)
{
    /// <summary>Indices of the layers.</summary>
    internal IEnumerable<int> Layers => Enumerable.Range(Start, Math.Max(0, End - Start));

    public override string ToString() => $"[{Start}, {End}]";

    private sealed class Converter : JsonConverter<LayerRange>
    {
        public override LayerRange Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
            => JsonSerializer.Deserialize<int[]>(ref reader, options) is [var start, var end] ? new(start, end) : throw new JsonException("A range of layers must be a pair of integers.");

        public override void Write(Utf8JsonWriter writer, LayerRange value, JsonSerializerOptions options) => JsonSerializer.Serialize(writer, new[] { value.Start, value.End }, options);
    }
}
