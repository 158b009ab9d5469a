namespace Peft;

/// <summary>
/// (IA)³ (Liu et al. 2022, arXiv:2205.05638): trained vectors scale the outputs of the key and value projections and the inputs of the
/// feed-forward network's last projection. It has the fewest parameters of all methods that adapt every layer. Mergeable.
/// </summary>
[MethodDescription("(IA)³", "l∘(W·x), or W·(l∘x)", "Liu et al. 2022, arXiv:2205.05638")]
[LearningRate(3e-3, SmallModel = 1e-1)]
[WrittenIfSet("layers_to_transform", "layers_pattern")]
[FanInFanOut]
public sealed record Ia3Options() : TargetedOptions("IA3"), IResolvesDefaults, ILimitsModules
{
    /// <summary>Targets whose inputs are scaled instead of their outputs. If null, the architecture's default.</summary>
    [JsonPropertyName("feedforward_modules")] public ModuleSelector? FeedForwardModules { get; init; }

    /// <summary>True to initialize the vectors to 1 (a no-op); false for random values, for tests.</summary>
    [JsonPropertyName("init_ia3_weights")] public bool InitWeights { get; init; } = true;

    protected override ModuleSelector? DefaultTargets(ModelTree model) => DefaultsFor(model, Ia3Targets.Names);

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (TargetModules is { Pattern: null } targets && FeedForwardModules is { Pattern: null } fed && fed.Names.Except(targets.Names).ToList() is { Count: > 0 } idle)
            yield return $"FeedForwardModules must be among TargetModules {targets}, but {string.Join(", ", idle)} {(idle.Count == 1 ? "is" : "are")} not.";
    }

    // Token ids cannot be scaled.
    (ModuleKinds Kinds, string Option)? ILimitsModules.LimitAt(Target target)
        => FeedForwardModules?.Matches(target.Path) == true ? (ModuleKinds.Matrix & ~ModuleKinds.Embedding, nameof(FeedForwardModules)) : null;

    TargetedOptions IResolvesDefaults.Resolve(IReadOnlyList<Target> targets, ModelTree model)
    {
        if (FeedForwardModules is not null) return this;
        var usual = model.ModelType is { } type ? Ia3Targets.For(type)?.FeedForward : null;
        // With explicit targets, those whose inputs are scaled by default are feed-forward modules.
        string[] names = [.. (usual ?? []).Where(name => TargetModules is not { Pattern: null } own || own.Names.Contains(name))];
        return this with { FeedForwardModules = names };
    }

    protected override AdapterLayer CreateLayer(Target target) => new Ia3Layer(target, FeedForwardModules!.Matches(target.Path), InitWeights);
}
