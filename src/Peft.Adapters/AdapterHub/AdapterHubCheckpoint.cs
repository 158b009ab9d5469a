using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Checkpoints;

namespace Peft;

/// <summary>
/// Reads and writes bottleneck and ReFT adapters in the format of the Adapters library (AdapterHub): <c>adapter_config.json</c> in its own layout, and
/// <c>adapter.safetensors</c>.
/// </summary>
public static class AdapterHubCheckpoint
{
    /// <summary>Name of the file with the tensors.</summary>
    public const string FileName = "adapter.safetensors";

    private const string Version = "adapters.1.2.0";   // the version whose format is written

    private const string Reft = "reft";

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    // Fields of Hugging Face PEFT's configurations that the Adapters library does not have.
    private static readonly string[] Foreign =
    [
        "peft_type", "task_type", "base_model_name_or_path", "revision", "inference_mode", "auto_mapping", "peft_version",
        "target_modules", "exclude_modules", "modules_to_save", "layers_to_transform", "layers_pattern",
    ];

    /// <summary>
    /// Saves a bottleneck or ReFT adapter in the format of the Adapters library. The save is atomic: at any moment the folder holds the complete old or the complete
    /// new adapter.
    /// </summary>
    /// <param name="model">The model, a transformer of a known architecture.</param>
    /// <param name="folder">The folder; it is created if it does not exist.</param>
    /// <param name="name">Name of the adapter. It becomes part of the keys.</param>
    /// <exception cref="AdapterOptionsException">The adapter is of another method, or adapts modules at which the Adapters library has no adapters.</exception>
    public static void SaveToAdapterHub(this PeftModel model, string folder, string name = PeftModel.DefaultName)
    {
        ArgumentNullException.ThrowIfNull(model);
        var adapter = model.Find(name);
        var options = adapter.Options;
        if (options is not (BottleneckOptions or ReftOptions))
            throw new AdapterOptionsException($"Adapter '{name}' is of method {options.PeftType}: only bottleneck and ReFT adapters can be saved in AdapterHub's format.");
        using var scope = NewDisposeScope();
        var tensors = TensorsOf(model, adapter, name).ToDictionary(tensor => tensor.Key, tensor => tensor.Read());
        var config = JsonNode.Parse(AdapterConfig.Write(options))!.AsObject();
        foreach (var field in Foreign) config.Remove(field);
        config["architecture"] = options is ReftOptions ? Reft : null;
        var text = new JsonObject
        {
            ["config"] = new JsonObject(config.OrderBy(field => field.Key, StringComparer.Ordinal).Select(field => KeyValuePair.Create(field.Key, field.Value?.DeepClone()))),
            ["hidden_size"] = adapter.Layers.FirstOrDefault(layer => layer is BottleneckLayer or ReftLayer)?.Target.Out,
            ["model_class"] = model.Module.GetType().Name,
            ["model_name"] = options.BaseModelNameOrPath ?? (model.Module as IPretrainedModel)?.NameOrPath,
            ["model_type"] = model.Tree.ModelType,
            ["name"] = name,
            ["version"] = Version,
        }.ToJsonString(Indented);
        AtomicFolder.Write(folder, into =>
        {
            SafetensorsWriter.Write(Path.Combine(into, FileName), tensors, new Dictionary<string, string> { ["format"] = "pt" });
            AtomicFile.WriteText(Path.Combine(into, AdapterConfig.FileName), text);
        });
    }

    /// <summary>Loads a bottleneck or ReFT adapter saved by the Adapters library. A model's first adapter becomes active.</summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">A folder with <c>adapter_config.json</c> and <c>adapter.safetensors</c>.</param>
    /// <param name="name">Name of the adapter in this model. If null, the name in the file.</param>
    /// <returns>The model.</returns>
    /// <exception cref="CheckpointException">A file is missing or damaged.</exception>
    /// <exception cref="AdapterOptionsException">The adapter is of another method.</exception>
    /// <remarks>
    /// The library does not save whether a ReFT adapter subtracts the projection, and reads a DiReFT that it saved as NoReFT. Such a file is refused until its <c>config</c> says
    /// <c>"subtract_projection": true</c> (NoReFT) or <c>false</c> (DiReFT), which the library reads too.
    /// </remarks>
    public static PeftModel LoadFromAdapterHub(this PeftModel model, string folder, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        var (options, savedName) = ReadConfig(Path.Combine(folder, AdapterConfig.FileName));
        name ??= savedName;
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(Path.Combine(folder, FileName));
        model.Add(name, options);
        try
        {
            using var off = no_grad();
            foreach (var (key, shape, _, write) in TensorsOf(model, model.Find(name), savedName))
            {
                if (write is null) continue;
                // The library's keys may or may not start with the name of the base model, depending on the wrapped model.
                var found = file.Keys.FirstOrDefault(each => each == key) ?? file.Keys.FirstOrDefault(each => ModuleSelector.Means(each, key) || ModuleSelector.Means(key, each))
                    ?? throw new AdapterMismatchException($"The adapter in {folder} does not fit this {model.Module.GetType().Name}: {key} is missing. The file holds {string.Join(", ", file.Keys.Take(5))}, ….");
                if (!file.Tensors[found].Shape.SequenceEqual(shape))
                    throw new AdapterMismatchException($"The adapter in {folder} does not fit this {model.Module.GetType().Name}: {found} is [{string.Join(", ", file.Tensors[found].Shape)}] in the file and [{string.Join(", ", shape)}] in the model.");
                write(file.Read(found));
            }
        }
        catch
        {
            model.Delete(name);
            throw;
        }
        return model;
    }

    private static IEnumerable<HubTensor> TensorsOf(PeftModel model, Adapter adapter, string name)
        => adapter.Options is ReftOptions ? ReftKeys.Of(model.Tree, adapter, name) : AdapterHubKeys.Of(model.Tree, adapter, name);

    private static (AdapterOptions Options, string Name) ReadConfig(string path)
    {
        if (!Path.Exists(path)) throw new CheckpointException(path, "does not exist: an adapter of the Adapters library is a folder with this file and adapter.safetensors.");
        try
        {
            AtomicFolder.Recover(Path.GetDirectoryName(path)!);
            if (JsonNode.Parse(File.ReadAllText(path), documentOptions: new() { AllowDuplicateProperties = false }) is not JsonObject whole || whole["config"] is not JsonObject config || whole["name"]?.GetValue<string>() is not { } name)
                throw new CheckpointException(path, "has no fields 'config' and 'name', so it is not a configuration of the Adapters library.");
            var architecture = config["architecture"]?.GetValue<string>();
            if (architecture is not (null or Reft))
                throw new AdapterOptionsException($"{path} is of architecture '{architecture}': only bottleneck adapters, whose architecture is null, and ReFT ('{Reft}') can be read.");
            if (architecture is Reft && config["orthogonality"]?.GetValueKind() is JsonValueKind.False && !config.ContainsKey("subtract_projection"))
                throw new AdapterOptionsException($"{path} does not say whether the adapter is NoReFT or DiReFT, which the Adapters library does not save: set \"subtract_projection\" in its \"config\" to true for NoReFT or to false for DiReFT.");
            config.Remove("architecture");
            config["peft_type"] = architecture is null ? "BOTTLENECK" : "REFT";
            return (AdapterConfig.Parse(config.ToJsonString(), path), name);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, $"cannot be read: {error.Message}", error);
        }
    }
}
