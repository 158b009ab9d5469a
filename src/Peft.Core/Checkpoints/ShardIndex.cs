using System.Text.Json;

namespace Peft.Checkpoints;

/// <summary>The <c>…index.json</c> next to the shards of a model: it maps each tensor to its file.</summary>
internal static class ShardIndex
{
    public const string Suffix = ".index.json";

    private const int MaxBytes = SafetensorsFile.MaxHeaderBytes;

    /// <summary>Reads <c>weight_map</c>: file names by tensor names, in the order of the index.</summary>
    public static OrderedDictionary<string, string> Read(string path)
    {
        try
        {
            using var document = JsonFile.Parse(JsonFile.Read(path, MaxBytes));
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty("weight_map", out var map) || map.ValueKind != JsonValueKind.Object)
                throw new CheckpointException(path, "has no weight_map object, so it is not an index of shards.");
            var files = new OrderedDictionary<string, string>();
            foreach (var property in map.EnumerateObject()) files.Add(property.Name, FileName(path, property));
            return files;
        }
        catch (JsonException error)
        {
            throw new CheckpointException(path, $"is not a valid index of shards ({error.Message})", error);
        }
    }

    /// <summary>Writes the index as transformers does: names sorted, indented by two spaces.</summary>
    public static void Write(Stream stream, IEnumerable<KeyValuePair<string, string>> weightMap, long totalSize)
    {
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            json.WriteStartObject("metadata");
            json.WriteNumber("total_size", totalSize);
            json.WriteEndObject();
            json.WriteStartObject("weight_map");
            foreach (var (name, file) in weightMap.OrderBy(pair => pair.Key, StringComparer.Ordinal)) json.WriteString(name, file);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        stream.WriteByte((byte)'\n');
    }

    private static string FileName(string path, JsonProperty property)
    {
        string? file = property.Value.ValueKind == JsonValueKind.String ? property.Value.GetString() : null;
        // An index is untrusted: it may name only files in its folder. The colon separates drives and streams on Windows.
        bool plain = !string.IsNullOrEmpty(file) && file is not ("." or "..") && file.IndexOfAny(['/', '\\', ':', '\0']) < 0;
        return plain ? file! : throw new CheckpointException(path, $"names {property.Value.GetRawText()} as the file of tensor '{property.Name}'. Only a file in the same folder is allowed.");
    }
}
