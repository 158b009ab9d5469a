using System.ComponentModel;
using System.Reflection;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>
/// Options of a method: the <c>adapter_config.json</c> of its kind. Names and defaults are Hugging Face PEFT's; fields of a file
/// that this version does not know are kept and written back.
/// </summary>
[TypeConverter(typeof(TextConverter<AdapterOptions>))]
[JsonConverter(typeof(AdapterOptionsConverter))]
public abstract record AdapterOptions
{
    /// <summary>Options of a method.</summary>
    /// <param name="peftType">The method, in Hugging Face's spelling.</param>
    protected AdapterOptions(string peftType) => type = peftType;

    private readonly string type;

    /// <summary>The method, in Hugging Face's spelling: <c>LORA</c>. It is the options' own; settings that name another are refused.</summary>
    /// <exception cref="AdapterOptionsException">Another method is named.</exception>
    [JsonPropertyName("peft_type")]
    public string PeftType
    {
        get => type;
        init => type = string.Equals(value, type, StringComparison.OrdinalIgnoreCase) ? type : throw new AdapterOptionsException($"{GetType().Name} is for the method '{type}', but the settings are of '{value}'.");
    }

    /// <summary>What the model is for: <c>CAUSAL_LM</c>, <c>SEQ_CLS</c>, …; filled in from the model if it knows.</summary>
    [JsonPropertyName("task_type")] public string? TaskType { get; init; }

    /// <summary>Name or path of the pretrained model; filled in from the model if it knows.</summary>
    [JsonPropertyName("base_model_name_or_path")] public string? BaseModelNameOrPath { get; init; }

    /// <summary>Revision of the pretrained model.</summary>
    [JsonPropertyName("revision")] public string? Revision { get; init; }

    /// <summary>Written as true, as Hugging Face does: a reader then loads the adapter frozen.</summary>
    [JsonPropertyName("inference_mode")] public bool InferenceMode { get; init; }

    /// <summary>Class of the base model, for models that Hugging Face has no task for.</summary>
    [JsonPropertyName("auto_mapping")] public IReadOnlyDictionary<string, string>? AutoMapping { get; init; }

    /// <summary>Version of the PEFT format that wrote the file.</summary>
    [JsonPropertyName("peft_version")] public string? PeftVersion { get; init; }

    /// <summary>
    /// Where the adapter's initial values come from: they are the same for the same seed, whatever was drawn before. 42, as <see cref="TrainingOptions.Seed"/>, so that a program that sets
    /// neither gives the same numbers each time. Null for torch's own generator as it stands (<c>torch.manual_seed</c>). Not saved; the parts of a <see cref="UnionOptions"/> start from the union's.
    /// </summary>
    [JsonIgnore] public int? InitializationSeed { get; init; } = 42;

    /// <summary>What the adapter was trained for, which stands in a file of its own (<see cref="TaskDescription.FileName"/>); filled in from the model if it knows.</summary>
    [JsonIgnore] public TaskDescription? Task { get; init; }

    /// <summary>Fields of a file that this version does not know.</summary>
    [JsonExtensionData] public Dictionary<string, System.Text.Json.JsonElement>? Unknown { get; set; }

    /// <summary>Learning rate that the method's authors or Hugging Face's examples use; the trainer's, where its options give none. A method says it by <see cref="LearningRateAttribute"/>.</summary>
    [JsonIgnore] public virtual double RecommendedLearningRate => Rates?.Recommended ?? 1e-4;

    /// <summary>
    /// The best learning rate for a model of width 64, where the comparison of methods (docs/comparison.md) has measured it. The trainer takes a rate between
    /// this and <see cref="RecommendedLearningRate"/> by the width of the model.
    /// </summary>
    [JsonIgnore] public virtual double? SmallModelLearningRate => Rates is { SmallModel: > 0 and var measured } ? measured : null;

    private LearningRateAttribute? Rates => GetType().GetCustomAttribute<LearningRateAttribute>();

    /// <summary>The learning rate for a model: on a logarithmic scale between what was measured at width 64 and what is published for a width of about 4,096.</summary>
    /// <param name="width">Width of the model's hidden states; null if unknown.</param>
    internal double LearningRateFor(long? width)
    {
        if (width is not { } size || SmallModelLearningRate is not { } small) return RecommendedLearningRate;
        var share = Math.Clamp(Math.Log(size / 64.0) / Math.Log(4096 / 64.0), 0, 1);
        return small * Math.Pow(RecommendedLearningRate / small, share);
    }

    internal bool IsWrittenIfSet(string field) => GetType().GetCustomAttributes<WrittenIfSetAttribute>().Any(attribute => attribute.Fields.Contains(field));

    /// <summary>What the path of a module begins with in the keys of the file: Hugging Face PEFT wraps a model once for most methods, and not at all for soft prompts.</summary>
    [JsonIgnore] protected internal virtual string ModulePrefix => Adapter.ModulePrefix;

    /// <summary>Everything that makes no sense, one sentence each with the value; empty if the options are fine.</summary>
    protected internal virtual IEnumerable<string> Errors() => [];

    /// <summary>The layers of the adapter for a model, and the options as they are to be saved (with names resolved).</summary>
    protected internal abstract AdapterPlan Plan(ModelTree model);

    internal AdapterPlan PlanFor(ModelTree model) => TensorBudget.Plan(this, () => Plan(model));

    /// <summary>Refuses options that make no sense, with all that is wrong at once.</summary>
    /// <exception cref="AdapterOptionsException">Something is wrong.</exception>
    public void Validate()
    {
        List<string> missing = [.. NullValues.Errors(this)];
        var errors = missing.Count > 0 ? missing : [.. Errors()];
        if (errors.Count > 0) throw new AdapterOptionsException($"{GetType().Name}: {string.Join(" ", errors)}");
    }
}

/// <summary>An adapter laid out for one model.</summary>
/// <param name="Options">The options as saved, with defaults resolved for the model.</param>
/// <param name="Layers">The layers; those of one module from the innermost outwards.</param>
/// <param name="Shared">Tensors that the layers share.</param>
/// <param name="Prompt">What comes before the whole model's input.</param>
public sealed record AdapterPlan(AdapterOptions Options, IReadOnlyList<AdapterLayer> Layers, SharedTensors? Shared = null, PromptLayer? Prompt = null)
{
    /// <summary>Adapters of the model whose layers it uses: they cannot be deleted before it.</summary>
    public IReadOnlyList<Adapter> Parts { get; init; } = [];

    /// <summary>
    /// The shape, if an adapter that is laid out may have a tensor of it. What <see cref="TensorOwner"/> makes is asked for already; a method asks for what it
    /// makes by itself, before it does.
    /// </summary>
    /// <param name="device">Where the tensor is to lie; on the device meta every shape is allowed.</param>
    /// <param name="shape">The shape of a tensor of 32-bit values.</param>
    /// <exception cref="AdapterOptionsException">It exceeds the machine's memory or, where an adapter is loaded, what its file and its model can stand for.</exception>
    public static long[] Allow(TorchSharp.torch.Device device, params long[] shape)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(shape);
        return TensorBudget.Take(shape, TorchSharp.torch.ScalarType.Float32, device);
    }
}
