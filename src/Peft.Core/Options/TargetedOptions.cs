using System.Text.Json.Serialization;

namespace Peft;

/// <summary>Base of the options of methods that adapt modules chosen by name.</summary>
public abstract record TargetedOptions : AdapterOptions
{
    /// <inheritdoc/>
    protected TargetedOptions(string peftType) : base(peftType) { }

    /// <summary>Modules to adapt; null for the method's default targets of the model's architecture.</summary>
    [JsonPropertyName("target_modules")] public ModuleSelector? TargetModules { get; init; }

    /// <summary>Modules that are not adapted although they match.</summary>
    [JsonPropertyName("exclude_modules")] public ModuleSelector? ExcludeModules { get; init; }

    /// <summary>Modules that are fully trained and saved with the adapter, such as a new classifier: by path or its last parts, as in a list of targets.</summary>
    /// <remarks>
    /// Hugging Face PEFT matches by the last letters of a path: there, <c>norm</c> also selects each <c>input_layernorm</c>. Names from a file are matched in
    /// that way. Names from a program are saved as paths if the two would differ.
    /// </remarks>
    [JsonPropertyName("modules_to_save")] public IReadOnlyList<string>? ModulesToSave { get; init; }

    /// <summary>Indices of the layers to adapt; null for all. Only with a list of targets.</summary>
    [JsonPropertyName("layers_to_transform"), JsonConverter(typeof(OneOrMany<int>))] public IReadOnlyList<int>? LayersToTransform { get; init; }

    /// <summary>Name of the list that holds the layers (<c>layers</c>, <c>h</c>), if it is not the first numbered one of a path.</summary>
    [JsonPropertyName("layers_pattern"), JsonConverter(typeof(OneOrMany<string>))] public IReadOnlyList<string>? LayersPattern { get; init; }

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors()
    {
        if (TargetModules?.Pattern is { } pattern && LayersToTransform is { Count: > 0 })
            yield return $"LayersToTransform goes with a list of TargetModules, but those are the pattern '{pattern}': put the layer numbers into the pattern.";
        if (LayersPattern is { Count: > 0 } && LayersToTransform is not { Count: > 0 })
            yield return $"LayersPattern [{string.Join(", ", LayersPattern)}] has a meaning only with LayersToTransform.";
        if (LayersToTransform?.Any(layer => layer < 0) == true)
            yield return $"LayersToTransform must not be negative, but was [{string.Join(", ", LayersToTransform)}].";
    }

    /// <summary>The default targets for an architecture (<c>model_type</c> of its configuration); null if the method has none.</summary>
    protected internal virtual IReadOnlyList<string>? DefaultTargets(string modelType) => Peft.DefaultTargets.For(modelType);

    /// <summary>The modules to adapt if <see cref="TargetModules"/> is null; null if the method has no default for the model.</summary>
    protected internal virtual ModuleSelector? UsualTargets(ModelTree model)
        => model?.ModelType is { } type && DefaultTargets(type) is { } names ? ModuleSelector.Create([.. names]) : null;

    /// <summary>The options to save for a model, with further defaults resolved.</summary>
    protected virtual TargetedOptions Resolve(ModelTree model) => this;

    /// <summary>True if fully trained modules that are tied to others stay tied (<c>ensure_weight_tying</c>).</summary>
    [JsonIgnore] protected internal virtual bool TiesWeights => false;

    /// <summary>True if every bias of the model is trained and saved (<c>bias</c> = <c>all</c>).</summary>
    [JsonIgnore] protected internal virtual bool TrainsAllBiases => false;

    /// <summary>True if target modules are optional, because the options name something else to adapt.</summary>
    [JsonIgnore] protected internal virtual bool MayTargetNothing => false;

    /// <summary>The options, completed by values that follow from the chosen targets, such as how these store their weights.</summary>
    protected virtual TargetedOptions For(IReadOnlyList<Target> targets) => this;

    /// <summary>The layers for the chosen targets, and the tensors that they share.</summary>
    protected abstract (IReadOnlyList<AdapterLayer> Layers, SharedTensors? Shared) Plan(IReadOnlyList<Target> targets, ModelTree model);

    /// <inheritdoc/>
    protected internal sealed override AdapterPlan Plan(ModelTree model)
    {
        var (targets, resolved) = TargetMatcher.Resolve(Resolve(model), model);
        var saved = (resolved with { ModulesToSave = model.SavedNames(resolved) }).For(targets);
        // As in Hugging Face PEFT, fully trained modules get no adapter in addition.
        IReadOnlyList<Target> adapted = [.. targets.Where(target => !model.IsSaved(saved, target))];
        if (adapted.Count == 0 && targets.Count > 0)
            throw new TargetNotFoundException($"All modules that TargetModules {resolved.TargetModules} matches are trained whole, by ModulesToSave [{string.Join(", ", saved.ModulesToSave!)}]: name others, or use full fine-tuning.");
        var (layers, shared) = saved.Plan(adapted, model);
        return new AdapterPlan(saved, [.. layers, .. model.SavedModules(saved, layers)], shared);
    }
}
