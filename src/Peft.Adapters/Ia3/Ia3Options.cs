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
        if (TargetModules is { Pattern: null } targets && FeedForwardModules is { Pattern: null } fed && fed.Names.Where(name => !targets.Names.Any(target => EndsWith(target, name) || EndsWith(name, target))).ToList() is { Count: > 0 } idle)
            yield return $"FeedForwardModules must be among TargetModules {targets}, but {string.Join(", ", idle)} {(idle.Count == 1 ? "is" : "are")} not.";
    }

    // Token ids cannot be scaled.
    (ModuleKinds Kinds, string Option)? ILimitsModules.LimitAt(Target target)
        => IsFeedForward(target) ? (ModuleKinds.Matrix & ~ModuleKinds.Embedding, nameof(FeedForwardModules)) : null;

    TargetedOptions IResolvesDefaults.Resolve(IReadOnlyList<Target> targets, ModelTree model)
    {
        if (FeedForwardModules is not null) return this;
        var usual = model.ModelType is { } type ? Ia3Targets.For(type)?.FeedForward : null;
        // With explicit targets, those whose inputs are scaled by default are feed-forward modules: by the names of the targets where these are as long.
        string[] fed = [.. (usual ?? []).Where(name => targets.Any(target => EndsWith(target.Path, name)))];
        if (TargetModules is { Pattern: null } own)
            fed = [.. own.Names.Where(name => fed.Any(each => EndsWith(name, each))), .. fed.Where(each => !own.Names.Any(name => EndsWith(name, each)))];
        return this with { FeedForwardModules = fed };
    }

    // As in Hugging Face PEFT, a name need not begin where a part of the path begins.
    private bool IsFeedForward(Target target) => FeedForwardModules is { } fed && (fed.Pattern is null ? fed.Names.Any(name => EndsWith(target.Path, name)) : fed.Matches(target.Path));

    private static bool EndsWith(string path, string name) => path.EndsWith(name, StringComparison.Ordinal);

    protected override AdapterLayer CreateLayer(Target target) => new Ia3Layer(target, IsFeedForward(target), InitWeights);
}
