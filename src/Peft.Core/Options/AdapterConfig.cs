using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Peft.Checkpoints;

namespace Peft;

/// <summary>Reads and writes <c>adapter_config.json</c> as Hugging Face PEFT does: all fields, sorted by name, indented by two spaces.</summary>
public static class AdapterConfig
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "adapter_config.json";

    /// <summary>Version of the written format, as a version of Hugging Face PEFT.</summary>
    public const string FormatVersion = "0.20.0";

    // Uses reflection: generated code sets an init-only property that the file omits to the default of its type instead of that of the property.
    internal static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new PythonNumber() },
        // As in Python, where null means the default of a field that cannot be null.
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { SkipNulls } },
    };

    private static void SkipNulls(JsonTypeInfo type)
    {
        if (type.Kind != JsonTypeInfoKind.Object || !type.Type.IsAssignableTo(typeof(AdapterOptions))) return;
        foreach (var property in type.Properties)
            if (!property.IsSetNullable && property.Set is { } set) property.Set = (options, value) => { if (value is not null) set(options, value); };
    }

    private static string? FieldOfNull(AdapterOptions options)
        => NullValues.In(options).Select(property => Json.GetTypeInfo(options.GetType()).Properties.FirstOrDefault(field => field.AttributeProvider is PropertyInfo of && of.Name == property.Name)?.Name ?? property.Name).FirstOrDefault();

    /// <summary>Serializes options as the content of the file.</summary>
    public static string Write(AdapterOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var fields = JsonSerializer.SerializeToNode(options, options.GetType(), Json)!.AsObject();
        var sorted = new JsonObject(fields.Where(field => field.Value is not null || !options.IsWrittenIfSet(field.Key)).OrderBy(field => field.Key, StringComparer.Ordinal).Select(field => KeyValuePair.Create(field.Key, field.Value?.DeepClone())));
        return sorted.ToJsonString(Json);
    }

    /// <summary>Reads the options of an adapter of any method, from its folder or from the only subfolder that contains an adapter.</summary>
    /// <exception cref="CheckpointException">The file is missing or is not an adapter configuration.</exception>
    /// <exception cref="AdapterOptionsException">The method is unknown, or its options are invalid.</exception>
    public static AdapterOptions Read(string folder)
    {
        folder = AdapterFolder.Find(folder);
        var path = Path.Combine(folder, FileName);
        return Parse(JsonFile.Read(path), path) with { Task = TaskDescription.Read(folder) };
    }

    /// <summary>Reads options from the text of a file.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">The origin of the text, for error messages.</param>
    public static AdapterOptions Parse(string json, string source = FileName)
    {
        try
        {
            using var document = JsonFile.Parse(json);
            var fields = document.RootElement;
            if (fields.ValueKind != JsonValueKind.Object || !fields.TryGetProperty("peft_type", out var field) || field.ValueKind != JsonValueKind.String || field.GetString() is not { } type)
                throw new CheckpointException(source, $"has no field 'peft_type', so it is not an adapter configuration.");
            if (!AdapterMethods.Known.TryGetValue(type, out var options))
                throw new AdapterOptionsException($"{source} is for the method '{type}', which is unknown to this program. Known methods: {string.Join(", ", AdapterMethods.Known.Keys.Order())}. Reference the package of that method.");
            var read = (AdapterOptions)fields.Deserialize(options, Json)!;
            return FieldOfNull(read) is { } empty ? throw new CheckpointException(source, $"cannot be read: {empty} contains null where a value is required.") : read;
        }
        catch (JsonException error) when (error.Path is ['$', '.', .. var name] && JsonNode.Parse(json)?[name] is { } value)
        {
            throw new CheckpointException(source, $"cannot be read: {name}: {error.Message} The value is {(value.ToJsonString() is { Length: > 300 } text ? text[..300] + "…" : value.ToJsonString())}.", error);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException)
        {
            throw new CheckpointException(source, $"cannot be read: {error.Message}", error);
        }
    }
}
