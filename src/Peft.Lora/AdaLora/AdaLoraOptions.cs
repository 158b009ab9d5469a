namespace Peft;

/// <summary>
/// AdaLoRA (Zhang et al. 2023, arXiv:2303.10512): W + s·B·diag(E)·A with s = alpha/(initial rank). Training starts with a rank above the
/// target and prunes the least important singular values, so that the rank is allocated to the layers that need it. Mergeable.
/// </summary>
[MethodDescription("AdaLoRA", "W + s·B·diag(E)·A", "Zhang et al. 2023, arXiv:2303.10512")]
[LearningRate(2e-3, SmallModel = 3e-2)]
[FanInFanOut]
public sealed record AdaLoraOptions() : BiasedOptions("ADALORA"), ISavedAfterTraining
{
    /// <summary>Target average rank of the layers after training.</summary>
    [JsonPropertyName("target_r")] public int TargetRank { get; init; } = 8;

    /// <summary>Initial rank of each layer.</summary>
    [JsonPropertyName("init_r"), AtLeast(1)] public int InitialRank { get; init; } = 12;

    /// <summary>Scaling numerator α; the update is scaled by α divided by the initial rank.</summary>
    [JsonPropertyName("lora_alpha"), JsonConverter(typeof(WholeOrFraction)), Finite] public double Alpha { get; init; } = 8;

    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("lora_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>Number of training steps before pruning begins.</summary>
    [JsonPropertyName("tinit"), AtLeast(0)] public int WarmupSteps { get; init; }

    /// <summary>Number of training steps at the end during which the ranks stay fixed.</summary>
    [JsonPropertyName("tfinal"), AtLeast(0)] public int FinalSteps { get; init; }

    /// <summary>Number of training steps between two rank allocations.</summary>
    [JsonPropertyName("deltaT"), AtLeast(1)] public int Interval { get; init; } = 1;

    /// <summary>Smoothing factor (EMA) of each element's sensitivity |w·∂w|, between 0 and 1.</summary>
    [JsonPropertyName("beta1")] public double SensitivitySmoothing { get; init; } = 0.85;

    /// <summary>Smoothing factor (EMA) of the sensitivity's uncertainty, between 0 and 1.</summary>
    [JsonPropertyName("beta2")] public double UncertaintySmoothing { get; init; } = 0.85;

    /// <summary>Weight of the loss term that keeps the rows of A and the columns of B orthonormal.</summary>
    [JsonPropertyName("orth_reg_weight"), AtLeast(0)] public double OrthogonalityWeight { get; init; } = 0.5;

    /// <summary>
    /// Total number of training steps used by the rank schedule. If null, the trainer's number of steps. Hugging Face PEFT reads no file without a number:
    /// an adapter that was not trained is saved with <see cref="int.MaxValue"/>, which means the same as null.
    /// </summary>
    [JsonPropertyName("total_step")] public int? TotalSteps { get; init; }

    /// <summary>For each layer, keyed by <c>&lt;path&gt;.lora_E</c>, the initial singular values that were kept. Set by training.</summary>
    [JsonPropertyName("rank_pattern")] public IReadOnlyDictionary<string, IReadOnlyList<bool>>? RankPattern { get; init; }

    /// <summary>True to initialize the adapter as a no-op (E is zero); false for random factors.</summary>
    [JsonPropertyName("init_lora_weights")] public bool InitWeights { get; init; } = true;

    /// <summary>The steps of the schedule, or null for those of the trainer.</summary>
    internal int? GivenSteps => TotalSteps == int.MaxValue ? null : TotalSteps;

    protected override ModuleSelector? DefaultTargets(ModelTree model) => DefaultsFor(model, MethodTargets.AdaLora) ?? base.DefaultTargets(model);

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (TargetRank < 1 || TargetRank > InitialRank) yield return $"TargetRank must be between 1 and InitialRank ({InitialRank}), but was {TargetRank}.";
        if (!(SensitivitySmoothing is > 0 and < 1)) yield return $"SensitivitySmoothing must be between 0 and 1, but was {SensitivitySmoothing}.";
        if (!(UncertaintySmoothing is > 0 and < 1)) yield return $"UncertaintySmoothing must be between 0 and 1, but was {UncertaintySmoothing}.";
        if (GivenSteps is { } total && WarmupSteps + FinalSteps >= total) yield return $"WarmupSteps ({WarmupSteps}) and FinalSteps ({FinalSteps}) together must be fewer than TotalSteps ({total}).";
    }

    AdapterOptions ISavedAfterTraining.AfterTraining(IReadOnlyList<AdapterLayer> layers)
    {
        var ranked = layers.OfType<AdaLoraLayer>().ToList();
        var saved = this with { TotalSteps = GivenSteps ?? ranked.FirstOrDefault()?.TotalSteps ?? int.MaxValue };
        if (!ranked.Any(layer => layer.IsPruned)) return saved;
        return saved with { RankPattern = ranked.ToDictionary(layer => PatternKey(layer.Target), layer => Merge(RankPattern?.GetValueOrDefault(PatternKey(layer.Target)), layer.KeptRanks())) };
    }

    // The mask of a loaded adapter covers only the singular values in its file: it refines the mask of that file.
    private static IReadOnlyList<bool> Merge(IReadOnlyList<bool>? before, IReadOnlyList<bool> now)
    {
        if (before is null) return now;
        var next = 0;
        return [.. before.Select(kept => kept && now[next++])];
    }

    /// <summary>Rank of a layer: the number of singular values kept in the file, or the initial rank.</summary>
    internal int RankAt(Target target) => RankPattern?.GetValueOrDefault(PatternKey(target))?.Count(kept => kept) ?? InitialRank;

    private static string PatternKey(Target target) => $"{target.Path}.lora_E";

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        List<AdaLoraLayer> layers = [.. targets.Select(target => new AdaLoraLayer(target, this))];
        return (layers, new AdaLoraBudget(this, layers));
    }
}
