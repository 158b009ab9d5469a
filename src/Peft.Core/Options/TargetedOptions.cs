using System.Text.Json.Serialization;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Base class of the options of methods that adapt modules selected by name.</summary>
[WrittenIfSet("fan_in_fan_out")]
public abstract record TargetedOptions : AdapterOptions
{
    /// <inheritdoc/>
    protected TargetedOptions(string peftType) : base(peftType) { }

    /// <summary>Modules to adapt; null for the method's default targets of the model's architecture.</summary>
    [JsonPropertyName("target_modules")] public ModuleSelector? TargetModules { get; init; }

    /// <summary>Modules that are not adapted even if they match.</summary>
    [JsonPropertyName("exclude_modules")] public ModuleSelector? ExcludeModules { get; init; }

    /// <summary>Modules that are fully trained and saved with the adapter, such as a new classifier: by path or its last parts, as in a list of targets.</summary>
    /// <remarks>
    /// Hugging Face PEFT matches the last letters of a path, so that <c>norm</c> also selects each <c>input_layernorm</c>. Names from a file are matched in
    /// this way. Names from a program are saved as paths if the two rules differ.
    /// </remarks>
    [JsonPropertyName("modules_to_save")] public IReadOnlyList<string>? ModulesToSave { get; init; }

    /// <summary>Indices of the layers to adapt; null for all. Only with a list of targets.</summary>
    [JsonPropertyName("layers_to_transform"), JsonConverter(typeof(OneOrMany<int>))] public IReadOnlyList<int>? LayersToTransform { get; init; }

    /// <summary>Name of the list that contains the layers (<c>layers</c>, <c>h</c>), if it is not the first list in a path.</summary>
    [JsonPropertyName("layers_pattern"), JsonConverter(typeof(OneOrMany<string>))] public IReadOnlyList<string>? LayersPattern { get; init; }

    /// <summary><c>fan_in_fan_out</c>: true if a linear target stores its weight as <c>[in, out]</c>. Written only for other readers.</summary>
    [JsonInclude, JsonPropertyName("fan_in_fan_out")] internal bool? FanInFanOut { get; init; }

    // Biases that are also trained: none, all, or another value for those of the adapted modules.
    private protected virtual string BiasMode => "none";

    /// <summary>True if the options need no target modules.</summary>
    internal bool TargetsAreOptional => this is INeedsNoTargets { NeedsNoTargets: true };

    /// <summary>True if every bias of the model is trained.</summary>
    internal bool TrainsAllBiases => BiasMode == "all";

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors()
    {
        if (TargetModules?.Pattern is { } pattern && LayersToTransform is { Count: > 0 })
            yield return $"LayersToTransform requires a list of TargetModules, but they are the pattern '{pattern}': put the layer indices into the pattern.";
        if (LayersPattern is { Count: > 0 } && LayersToTransform is not { Count: > 0 })
            yield return $"LayersPattern [{string.Join(", ", LayersPattern)}] has an effect only with LayersToTransform.";
        if (LayersToTransform?.Any(layer => layer < 0) == true)
            yield return $"LayersToTransform must not be negative, but was [{string.Join(", ", LayersToTransform)}].";
    }

    /// <inheritdoc/>
    protected internal sealed override AdapterPlan Plan(ModelTree model)
    {
        // Match the targets: those of TargetModules, or the method's defaults for the architecture.
        var (targets, matched) = TargetMatcher.Match(this, model);
        if (this is ITiesWeights { TiesWeights: true }) (targets, matched) = TargetMatcher.WithTied(targets, matched, model);

        // Resolve the other defaults: the file contains the resolved values.
        var options = matched with
        {
            ModulesToSave = model.WholeModuleNames(matched, matched.ModulesToSave),
            FanInFanOut = GetType().IsDefined(typeof(FanInFanOutAttribute), inherit: true) ? targets.Any(target => target.IsStoredTransposed) : null,
        };
        options = (options as IResolvesDefaults)?.Resolve(targets, model) ?? options;

        // As in Hugging Face PEFT, a fully trained module is not adapted.
        IReadOnlyList<Target> adapted = [.. targets.Where(target => !model.IsTrainedWhole(options, target))];
        if (adapted.Count == 0 && targets.Count > 0)
            throw new TargetNotFoundException($"All modules that TargetModules {matched.TargetModules} matches are fully trained because of ModulesToSave [{string.Join(", ", options.ModulesToSave!)}]: select other modules, or use full fine-tuning.");
        SupportedModulesAttribute.Require(options, adapted);

        // Create the layers.
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var (created, shared) = adapted.Count > 0 || options.TargetsAreOptional ? options.CreateLayers(adapted, model) : ([], null);
        var layers = Enumerate(created);
        IReadOnlyList<Target> entered = [.. layers.Where(layer => layer is not TokensLayer).Select(layer => layer.Target).Distinct()];
        layers.InsertRange(0, BiasLayer.For(options.BiasMode, entered, model, options));
        return new AdapterPlan(options, [.. layers, .. model.WholeModules(options, layers)], shared);
    }

    // An initialization from the weight, such as PiSSA, needs large temporary tensors: they are freed after each layer.
    private static List<AdapterLayer> Enumerate(IEnumerable<AdapterLayer> created)
    {
        var layers = new List<AdapterLayer>();
        using var next = created.GetEnumerator();
        while (true)
        {
            using var each = NewDisposeScope();   // initialization from the weight, as in PiSSA, needs large temporary tensors
            if (!next.MoveNext()) return layers;
            layers.Add(next.Current);
        }
    }

    /// <summary>Returns the modules to adapt if <see cref="TargetModules"/> is null: by default those of Hugging Face PEFT's table for the architecture, or every linear module of a model that is not a pretrained transformer. Null if the method has no default for the model.</summary>
    /// <param name="model">The model.</param>
    protected internal virtual ModuleSelector? DefaultTargets(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return DefaultsFor(model, DefaultTargetTable.Entries);
    }

    /// <summary>Returns the entry of a table of default targets for the model's architecture (<c>model_type</c> of its configuration), or every linear module of a model that is not a pretrained transformer; null if there is none.</summary>
    protected static ModuleSelector? DefaultsFor(ModelTree model, IReadOnlyDictionary<string, string[]> table)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(table);
        return model.ModelType is { } type && table.TryGetValue(type, out var names) ? ModuleSelector.Create(names)
            : model.Model is IPretrainedModel ? null : ModuleSelector.AllLinear;
    }

    /// <summary>Creates the layer that adapts a module. A method overrides this or <see cref="CreateLayers"/>.</summary>
    /// <param name="target">The module.</param>
    protected virtual AdapterLayer CreateLayer(Target target) => throw new NotSupportedException($"{GetType().Name} overrides neither {nameof(CreateLayer)} nor {nameof(CreateLayers)}.");

    /// <summary>Creates the layers of the adapter, lazily during enumeration, and the tensors that they share. By default, one layer for each target.</summary>
    /// <param name="targets">The modules to adapt.</param>
    /// <param name="model">The model.</param>
    protected virtual (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model) => (targets.Select(CreateLayer), null);
}
