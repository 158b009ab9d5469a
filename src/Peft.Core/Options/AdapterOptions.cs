using System.ComponentModel;
using System.Reflection;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>
/// Options of a method: the content of its <c>adapter_config.json</c>. Names and defaults are those of Hugging Face PEFT. Unknown fields of a file
/// are kept and written back.
/// </summary>
[TypeConverter(typeof(TextConverter<AdapterOptions>))]
[JsonConverter(typeof(AdapterOptionsConverter))]
[TypeFormatterSource(typeof(AdapterOptionsDisplay))]
public abstract record AdapterOptions
{
    /// <summary>Creates options of a method.</summary>
    /// <param name="peftType">The method, in Hugging Face's spelling.</param>
    protected AdapterOptions(string peftType) => type = peftType;

    private readonly string type;

    /// <summary>The method, in Hugging Face's spelling: <c>LORA</c>. It follows from the options type. Settings for another method throw an exception.</summary>
    /// <exception cref="AdapterOptionsException">The value is another method.</exception>
    [JsonPropertyName("peft_type")]
    public string PeftType
    {
        get => type;
        init => type = string.Equals(value, type, StringComparison.OrdinalIgnoreCase) ? type : throw new AdapterOptionsException($"{GetType().Name} is for the method '{type}', but the settings are for '{value}'.");
    }

    /// <summary>Task of the model: <c>CAUSAL_LM</c>, <c>SEQ_CLS</c>, …; set from the model if known.</summary>
    [JsonPropertyName("task_type")] public string? TaskType { get; init; }

    /// <summary>Name or path of the pretrained model; set from the model if known.</summary>
    [JsonPropertyName("base_model_name_or_path")] public string? BaseModelNameOrPath { get; init; }

    /// <summary>Revision of the pretrained model.</summary>
    [JsonPropertyName("revision")] public string? Revision { get; init; }

    /// <summary>Saved as true, as in Hugging Face PEFT, so that the adapter is loaded frozen.</summary>
    [JsonPropertyName("inference_mode")] public bool InferenceMode { get; init; }

    /// <summary>Class of the base model, for models without a Hugging Face task.</summary>
    [JsonPropertyName("auto_mapping")] public IReadOnlyDictionary<string, string>? AutoMapping { get; init; }

    /// <summary>Version of the PEFT format that wrote the file.</summary>
    [JsonPropertyName("peft_version")] public string? PeftVersion { get; init; }

    /// <summary>
    /// Seed of the adapter's initial values, independent of torch's generator. 42 by default, like <see cref="TrainingOptions.Seed"/>, so that runs
    /// are reproducible without setting either. Null uses the current state of torch's generator (<c>torch.manual_seed</c>). Not saved. The parts of a
    /// <see cref="UnionOptions"/> share the union's seed.
    /// </summary>
    [JsonIgnore] public int? InitializationSeed { get; init; } = 42;

    /// <summary>The task for which the adapter was trained, saved in its own file (<see cref="TaskDescription.FileName"/>); set from the model if known.</summary>
    [JsonIgnore] public TaskDescription? Task { get; init; }

    /// <summary>Unknown fields of a file.</summary>
    [JsonExtensionData] public Dictionary<string, System.Text.Json.JsonElement>? Unknown { get; set; }

    /// <summary>Learning rate of the method's authors or Hugging Face's examples; the trainer's default. A method sets it by <see cref="LearningRateAttribute"/>.</summary>
    [JsonIgnore] public double RecommendedLearningRate => Rates?.Recommended ?? 1e-4;

    /// <summary>
    /// The best learning rate for a model of width 64, if measured in the comparison of methods (docs/comparison.md). The trainer interpolates between
    /// this and <see cref="RecommendedLearningRate"/> by the width of the model.
    /// </summary>
    [JsonIgnore] public double? SmallModelLearningRate => Rates is { SmallModel: > 0 and var measured } ? measured : null;

    private LearningRateAttribute? Rates => (this as IChoosesLearningRate)?.LearningRate ?? GetType().GetCustomAttribute<LearningRateAttribute>();

    /// <summary>
    /// Returns the learning rate for a model, interpolated on a logarithmic scale between the measured rate at width 64 and the published rate at a width of about
    /// 4,096.
    /// </summary>
    /// <param name="width">Width of the model's hidden states; null if unknown.</param>
    internal double LearningRateFor(long? width)
    {
        if (width is not { } size || SmallModelLearningRate is not { } small) return RecommendedLearningRate;
        var share = Math.Clamp(Math.Log(size / 64.0) / Math.Log(4096 / 64.0), 0, 1);
        return small * Math.Pow(RecommendedLearningRate / small, share);
    }

    internal bool IsWrittenIfSet(string field) => GetType().GetCustomAttributes<WrittenIfSetAttribute>().Any(attribute => attribute.Fields.Contains(field));

    /// <summary>Prefix of module paths in the keys of the file. Hugging Face PEFT wraps the model for most methods, but not for soft prompts.</summary>
    [JsonIgnore] protected internal virtual string ModulePrefix => Adapter.ModulePrefix;

    /// <summary>Errors that no <see cref="OptionRuleAttribute"/> of a property finds, such as invalid combinations of options: one sentence each, with the values. None by default.</summary>
    protected internal virtual IEnumerable<string> Errors() => [];

    /// <summary>Returns all errors, one sentence each; empty if the options are valid. If values are missing, nothing else is checked.</summary>
    internal IReadOnlyList<string> AllErrors()
        => NullValues.Errors(this).ToList() is { Count: > 0 } missing ? missing : [.. OptionRuleAttribute.Errors(this), .. Errors()];

    /// <summary>Plans the adapter's layers for a model, and resolves the options to save (with names).</summary>
    protected internal abstract AdapterPlan Plan(ModelTree model);

    /// <summary>Throws if the options are invalid. The message lists all errors.</summary>
    /// <exception cref="AdapterOptionsException">The options are invalid.</exception>
    public void Validate()
    {
        if (AllErrors() is { Count: > 0 } errors) throw new AdapterOptionsException($"{GetType().Name}: {string.Join(" ", errors)}");
    }
}
