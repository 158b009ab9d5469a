namespace Peft;

/// <summary>
/// Adaption prompts, LLaMA-Adapter (Zhang et al. 2023, arXiv:2303.16199): the attention of the upper layers also attends to learned tokens,
/// through a gate that is initialized to zero. For decoders.
/// </summary>
[MethodDescription("LLaMA-Adapter", "a(x) + g·softmax(q·K(P)ᵀ)·V(P)", "Zhang et al. 2023, arXiv:2303.16199")]
[LearningRate(5e-3, SmallModel = 3e-1)]
public sealed record AdaptionPromptOptions() : AdapterOptions("ADAPTION_PROMPT")
{
    /// <summary>Name of the attention modules. If null, the architecture's.</summary>
    [JsonPropertyName("target_modules")] public string? TargetModules { get; init; }

    /// <summary>Number of learned tokens per layer.</summary>
    [JsonPropertyName("adapter_len")] public int? Length { get; init; }

    /// <summary>Number of adapted layers, counted from the last.</summary>
    [JsonPropertyName("adapter_layers")] public int? Layers { get; init; }

    protected override IEnumerable<string> Errors()
    {
        if (Length is not > 0) yield return $"Length must be at least 1, but was {Length?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "not given"}.";
        if (Layers is not > 0) yield return $"Layers must be at least 1, but was {Layers?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "not given"}.";
    }

    protected override AdapterPlan Plan(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (!model.Prompted.PromptShape.IsCausal) throw new AdapterOptionsException($"Adaption prompts are for decoders, but {model.ModelType} is not a decoder.");
        var name = TargetModules ?? (model.ModelType == "gpt2" ? "attn" : model.ModelType == "gpt_neox" ? "attention" : "self_attn");
        string[] paths = [.. model.ModulePaths.Where(path => path.EndsWith("." + name, StringComparison.Ordinal))];
        if (paths.Length == 0) throw model.NotFound(nameof(TargetModules), [name]);
        if (paths.Length < Layers) throw new AdapterOptionsException($"Layers is {Layers}, but the model has {paths.Length} modules '{name}'.");
        return new AdapterPlan(this with { TargetModules = name }, [], Prompt: new AdaptionPromptLayer(model, [.. paths.Select((path, layer) => (path, layer)).TakeLast(Layers!.Value)], Length!.Value));
    }
}
