using System.Text.Json;
using System.Text.Unicode;

namespace Peft.Checkpoints;

/// <summary>
/// Reads the JSON header of a safetensors file and checks it against the length of the file, so that every entry can be read without additional
/// checks: each tensor has exactly the bytes of its shape and dtype, and together they cover the data without overlaps or gaps.
/// </summary>
internal sealed class SafetensorsHeader
{
    private const int MaxDimensions = 64; // more than libtorch's iterators support

    private readonly string path;
    private readonly long dataStart, dataLength;
    private readonly Dictionary<string, TensorEntry> entries = [];
    private IReadOnlyDictionary<string, string>? metadata;

    private SafetensorsHeader(string path, long dataStart, long dataLength)
        => (this.path, this.dataStart, this.dataLength) = (path, dataStart, dataLength);

    /// <param name="path">Path of the file, for error messages.</param>
    /// <param name="json">The header without the eight bytes of its length.</param>
    /// <param name="fileLength">Length of the file in bytes.</param>
    public static (OrderedDictionary<string, TensorEntry> Tensors, IReadOnlyDictionary<string, string> Metadata) Parse(
        string path, ReadOnlySpan<byte> json, long fileLength)
    {
        long dataStart = sizeof(ulong) + json.Length;
        var header = new SafetensorsHeader(path, dataStart, fileLength - dataStart);
        if (json[0] != '{') throw header.Invalid("the header does not start with '{'");
        if (!Utf8.IsValid(json)) throw header.Invalid("the header is not valid UTF-8");
        try
        {
            header.ReadAll(json);
        }
        catch (JsonException error)
        {
            throw header.Invalid($"the header is not valid JSON ({error.Message})", error);
        }
        return (header.InFileOrder(), header.metadata ?? new Dictionary<string, string>());
    }

    private void ReadAll(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = Text(ref reader);
            reader.Read();
            if (name == SafetensorsFile.MetadataKey) ReadMetadata(ref reader);
            else if (!entries.TryAdd(name, ReadEntry(ref reader, name))) throw Invalid($"tensor '{name}' is listed twice");
        }
        reader.Read(); // only white space may follow; anything else throws a JsonException
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        if (metadata is not null) throw Invalid("__metadata__ is listed twice");
        var values = new Dictionary<string, string>();
        metadata = values;
        if (reader.TokenType == JsonTokenType.Null) return;
        Expect(ref reader, JsonTokenType.StartObject, "__metadata__");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string key = Text(ref reader);
            reader.Read();
            Expect(ref reader, JsonTokenType.String, $"__metadata__ '{key}'");
            if (!values.TryAdd(key, Text(ref reader))) throw Invalid($"__metadata__ lists '{key}' twice");
        }
    }

    private TensorEntry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        string? type = null;
        List<long>? shape = null, offsets = null;
        Expect(ref reader, JsonTokenType.StartObject, $"tensor '{name}'");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string field = Text(ref reader);
            reader.Read();
            switch (field)
            {
                case "dtype" when type is null:
                    Expect(ref reader, JsonTokenType.String, $"dtype of tensor '{name}'");
                    type = Text(ref reader);
                    break;
                case "shape" when shape is null:
                    shape = Numbers(ref reader, $"shape of tensor '{name}'", MaxDimensions);
                    break;
                case "data_offsets" when offsets is null:
                    offsets = Numbers(ref reader, $"data_offsets of tensor '{name}'", 2);
                    break;
                case "dtype" or "shape" or "data_offsets":
                    throw Invalid($"tensor '{name}' has {field} twice");
                default:
                    reader.Skip();
                    break;
            }
        }
        if (type is null || shape is null || offsets is null)
            throw Invalid($"tensor '{name}' lacks {(type is null ? "dtype" : shape is null ? "shape" : "data_offsets")}");
        return Checked(name, type, [.. shape], offsets);
    }

    private TensorEntry Checked(string name, string type, long[] shape, List<long> offsets)
    {
        var format = SafetensorsType.Named(type)
            ?? throw Invalid($"tensor '{name}' has the unknown dtype '{type}'");
        long needed = format.ByteLength(shape)
            ?? throw Invalid($"tensor '{name}' has the impossible shape [{string.Join(", ", shape)}] for {type}");
        if (offsets is not [long start, long end] || end < start)
            throw Invalid($"data_offsets of tensor '{name}' are [{string.Join(", ", offsets)}], not a start and an end");
        if (end > dataLength)
            throw Invalid($"tensor '{name}' ends at byte {end} of the data, which has only {dataLength}: the file is truncated");
        if (end - start != needed)
            throw Invalid($"tensor '{name}' has {end - start} bytes, but {type} [{string.Join(", ", shape)}] takes {needed}");
        return new(name, format, shape, dataStart + start, needed);
    }

    private OrderedDictionary<string, TensorEntry> InFileOrder()
    {
        var ordered = new OrderedDictionary<string, TensorEntry>(entries.Count);
        long next = dataStart;
        foreach (var entry in entries.Values.OrderBy(entry => entry.Offset).ThenBy(entry => entry.ByteLength))
        {
            if (entry.Offset < next) throw Invalid($"tensor '{entry.Name}' overlaps the one before it");
            if (entry.Offset > next) throw Invalid($"{entry.Offset - next} bytes before tensor '{entry.Name}' belong to no tensor");
            next = entry.Offset + entry.ByteLength;
            ordered.Add(entry.Name, entry);
        }
        if (next != dataStart + dataLength) throw Invalid($"{dataStart + dataLength - next} bytes after the last tensor belong to no tensor");
        return ordered;
    }

    private List<long> Numbers(ref Utf8JsonReader reader, string what, int maxCount)
    {
        var numbers = new List<long>();
        Expect(ref reader, JsonTokenType.StartArray, what);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            Expect(ref reader, JsonTokenType.Number, what);
            if (!reader.TryGetInt64(out long number) || number < 0)
                throw Invalid($"{what} contains a number that is negative, too large or not an integer, at byte {Position(ref reader)}");
            if (numbers.Count == maxCount) throw Invalid($"{what} has more than {maxCount} numbers");
            numbers.Add(number);
        }
        return numbers;
    }

    private void Expect(ref Utf8JsonReader reader, JsonTokenType expected, string what)
    {
        if (reader.TokenType != expected)
            throw Invalid($"{what} should be {Describe(expected)}, not {Describe(reader.TokenType)}, at byte {Position(ref reader)}");
    }

    private string Text(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException error)
        {
            throw Invalid($"the string at byte {Position(ref reader)} contains an unpaired surrogate", error);
        }
    }

    private static long Position(ref Utf8JsonReader reader) => sizeof(ulong) + reader.TokenStartIndex;

    private static string Describe(JsonTokenType type) => type switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String => "a string",
        JsonTokenType.Number => "a number",
        _ => type.ToString().ToLowerInvariant(),
    };

    private CheckpointException Invalid(string problem, Exception? inner = null) => new(path, $"not a valid safetensors file: {problem}.", inner);
}
