using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Checkpoints;

namespace Peft;

/// <summary>Reads and writes <c>adapter_config.json</c> as Hugging Face PEFT does: all fields, sorted by name, two spaces deep.</summary>
public static class AdapterConfig
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "adapter_config.json";

    /// <summary>Version of the format that is written, in Hugging Face PEFT's numbering.</summary>
    public const string FormatVersion = "0.20.0";

    // By reflection: generated code would give an init-only property that the file omits its type's default and not its own.
    internal static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new PythonNumber() },
    };

    /// <summary>The text of the file.</summary>
    public static string Write(AdapterOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var fields = JsonSerializer.SerializeToNode(options, options.GetType(), Json)!.AsObject();
        var sorted = new JsonObject(fields.Where(field => field.Value is not null || !options.FieldsWrittenIfSet.Contains(field.Key)).OrderBy(field => field.Key, StringComparer.Ordinal).Select(field => KeyValuePair.Create(field.Key, field.Value?.DeepClone())));
        return sorted.ToJsonString(Json);
    }

    /// <summary>Reads the options of whatever method a folder holds.</summary>
    /// <exception cref="CheckpointException">The file is missing or is no adapter's configuration.</exception>
    /// <exception cref="AdapterOptionsException">The method is not known, or its options make no sense.</exception>
    public static AdapterOptions Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            throw new CheckpointException(path, $"does not exist: a saved adapter is a folder with {FileName} and {AdapterCheckpoint.FileName}.{(Directory.Exists(folder) ? $" The folder holds: {string.Join(", ", Directory.GetFileSystemEntries(folder).Select(Path.GetFileName).Take(10))}." : " The folder does not exist either.")}");
        return Parse(File.ReadAllText(path), path) with { Task = TaskDescription.Read(folder) };
    }

    /// <summary>Reads options from the text of a file.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">Where it came from, for errors.</param>
    public static AdapterOptions Parse(string json, string source = FileName)
    {
        try
        {
            if (JsonNode.Parse(json) is not JsonObject fields || fields["peft_type"]?.GetValue<string>() is not { } type)
                throw new CheckpointException(source, $"has no field 'peft_type', so it is no adapter's configuration.");
            if (!AdapterMethods.Known.TryGetValue(type, out var options))
                throw new AdapterOptionsException($"{source} is of method '{type}', which this program does not know. It knows: {string.Join(", ", AdapterMethods.Known.Keys.Order())}. Reference the package of that method.");
            return (AdapterOptions)fields.Deserialize(options, Json)!;
        }
        catch (JsonException error) when (error.Path is ['$', '.', .. var name] && JsonNode.Parse(json)?[name] is { } value)
        {
            throw new CheckpointException(source, $"cannot be read: {error.Message} There stands {value.ToJsonString()}.", error);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException)
        {
            throw new CheckpointException(source, $"cannot be read: {error.Message}", error);
        }
    }
}
