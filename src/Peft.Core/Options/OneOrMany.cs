using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>Reads a field that Hugging Face allows as a single value or as a list, and writes it in the form in which it was read.</summary>
internal sealed class OneOrMany<T> : JsonConverter<IReadOnlyList<T>>
{
    public override IReadOnlyList<T>? Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
        => reader.TokenType == JsonTokenType.StartArray
            ? JsonSerializer.Deserialize<List<T>>(ref reader, options)
            : new One { Value = JsonSerializer.Deserialize<T>(ref reader, options)! };

    public override void Write(Utf8JsonWriter writer, IReadOnlyList<T> value, JsonSerializerOptions options)
    {
        if (value is One one) JsonSerializer.Serialize(writer, one.Value, options);
        else JsonSerializer.Serialize(writer, value.ToArray(), options);
    }

    private sealed class One : IReadOnlyList<T>
    {
        public required T Value { get; init; }
        public int Count => 1;
        public T this[int index] => index == 0 ? Value : throw new ArgumentOutOfRangeException(nameof(index));
        public IEnumerator<T> GetEnumerator() { yield return Value; }
        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
