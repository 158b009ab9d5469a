using System.Text.Json.Serialization;
using Peft.Adapters;

namespace Peft;

/// <summary>
/// (IA)³ (Liu et al. 2022, arXiv:2205.05638): a vector scales the outputs of keys and values, and the inputs of the feed-forward
/// network's last projection. The fewest numbers of all methods that reach every layer. Merges.
/// </summary>
[MethodDescription("(IA)³", "l∘(W·x), or W·(l∘x)", "Liu et al. 2022, arXiv:2205.05638")]
[LearningRate(3e-3, SmallModel = 1e-1)]
public sealed record Ia3Options() : TargetedOptions("IA3")
{
    /// <summary>Those of the targets whose inputs are scaled and not their outputs; null for the architecture's usual one.</summary>
    [JsonPropertyName("feedforward_modules")] public ModuleSelector? FeedForwardModules { get; init; }

    /// <summary>True to initialize the vectors to 1 (a no-op); false for random values, for tests.</summary>
    [JsonPropertyName("init_ia3_weights")] public bool InitWeights { get; init; } = true;

    /// <summary>Written for Hugging Face PEFT, where some weights are stored as <c>[in, out]</c>. It has no effect here.</summary>
    [JsonPropertyName("fan_in_fan_out")] public bool FanInFanOut { get; init; }

    /// <inheritdoc/>
    protected override IReadOnlyCollection<string> FieldsWrittenIfSet => ["layers_to_transform", "layers_pattern"];

    /// <inheritdoc/>
    protected override IReadOnlyList<string>? DefaultTargets(string modelType) => Ia3Targets.For(modelType)?.Targets;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (TargetModules is { Pattern: null } targets && FeedForwardModules is { Pattern: null } fed && fed.Names.Except(targets.Names).ToList() is { Count: > 0 } idle)
            yield return $"FeedForwardModules must be among TargetModules {targets}, but {string.Join(", ", idle)} {(idle.Count == 1 ? "is" : "are")} not.";
    }

    /// <inheritdoc/>
    protected override TargetedOptions Resolve(ModelTree model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (FeedForwardModules is not null) return this;
        var usual = model.ModelType is { } type ? Ia3Targets.For(type)?.FeedForward : null;
        // Of targets that the user named, those count that are usually scaled at their inputs.
        string[] names = [.. (usual ?? []).Where(name => TargetModules is not { Pattern: null } own || own.Names.Contains(name))];
        return this with { FeedForwardModules = names };
    }

    /// <inheritdoc/>
    protected override (IReadOnlyList<AdapterLayer> Layers, SharedTensors? Shared) Plan(IReadOnlyList<Target> targets, ModelTree model)
        => ([.. targets.Select(target => new Ia3Layer(target, FeedForwardModules!.Matches(target.Path), InitWeights))], null);
}
