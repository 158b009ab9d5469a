using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// AdaLoRA (Zhang et al. 2023, arXiv:2303.10512): W + s·B·diag(E)·A. Training starts with a larger rank than wanted, and takes singular
/// values away where they matter least, so that the rank goes to the layers that need it; s = alpha/(initial rank). Merges.
/// </summary>
[MethodDescription("AdaLoRA", "W + s·B·diag(E)·A", "Zhang et al. 2023, arXiv:2303.10512")]
[LearningRate(2e-3, SmallModel = 3e-2)]
public sealed record AdaloraOptions() : BiasedUpdateOptions("ADALORA"), ISavedAfterTraining
{
    /// <summary>Rank that the layers have on average at the end.</summary>
    [JsonPropertyName("target_r")] public int TargetRank { get; init; } = 8;

    /// <summary>Rank of each layer at the start.</summary>
    [JsonPropertyName("init_r")] public int InitialRank { get; init; } = 12;

    /// <summary>Strength of the update.</summary>
    [JsonPropertyName("lora_alpha"), JsonConverter(typeof(WholeOrFraction))] public double Alpha { get; init; } = 8;

    /// <summary>Share of each input's elements that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("lora_dropout")] public double Dropout { get; init; }

    /// <summary>Steps before the rank begins to shrink.</summary>
    [JsonPropertyName("tinit")] public int WarmupSteps { get; init; }

    /// <summary>Steps at the end in which the ranks are fixed.</summary>
    [JsonPropertyName("tfinal")] public int FinalSteps { get; init; }

    /// <summary>Steps between two allocations of the rank.</summary>
    [JsonPropertyName("deltaT")] public int Interval { get; init; } = 1;

    /// <summary>Smoothing of each element's sensitivity |w·∂w|, between 0 and 1.</summary>
    [JsonPropertyName("beta1")] public double SensitivitySmoothing { get; init; } = 0.85;

    /// <summary>Smoothing of the sensitivity's uncertainty, between 0 and 1.</summary>
    [JsonPropertyName("beta2")] public double UncertaintySmoothing { get; init; } = 0.85;

    /// <summary>Weight of the penalty that keeps A's rows and B's columns orthonormal.</summary>
    [JsonPropertyName("orth_reg_weight")] public double OrthogonalityWeight { get; init; } = 0.5;

    /// <summary>Steps of the whole training, which the schedule of the rank follows; the trainer's if null.</summary>
    [JsonPropertyName("total_step")] public int? TotalSteps { get; init; }

    /// <summary>Which of the initial singular values each layer has kept, by <c>&lt;path&gt;.lora_E</c>; written by training.</summary>
    [JsonPropertyName("rank_pattern")] public IReadOnlyDictionary<string, IReadOnlyList<bool>>? RankPattern { get; init; }

    /// <summary>Whether the adapter starts as none (E is zero); false for random factors.</summary>
    [JsonPropertyName("init_lora_weights")] public bool InitWeights { get; init; } = true;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors().Concat(NumberErrors(InitialRank, Dropout, alpha: Alpha))) yield return error;
        if (TargetRank < 1 || TargetRank > InitialRank) yield return $"TargetRank must lie between 1 and InitialRank ({InitialRank}), but was {TargetRank}.";
        if (WarmupSteps < 0) yield return $"WarmupSteps must not be negative, but was {WarmupSteps}.";
        if (FinalSteps < 0) yield return $"FinalSteps must not be negative, but was {FinalSteps}.";
        if (Interval < 1) yield return $"Interval must be at least 1, but was {Interval}.";
        if (!(SensitivitySmoothing is > 0 and < 1)) yield return $"SensitivitySmoothing must lie between 0 and 1, but was {SensitivitySmoothing}.";
        if (!(UncertaintySmoothing is > 0 and < 1)) yield return $"UncertaintySmoothing must lie between 0 and 1, but was {UncertaintySmoothing}.";
        if (!(OrthogonalityWeight >= 0)) yield return $"OrthogonalityWeight must not be negative, but was {OrthogonalityWeight}.";
        if (TotalSteps is { } total && WarmupSteps + FinalSteps >= total) yield return $"WarmupSteps ({WarmupSteps}) and FinalSteps ({FinalSteps}) together must be fewer than TotalSteps ({total}).";
    }

    AdapterOptions ISavedAfterTraining.AfterTraining(IReadOnlyList<AdapterLayer> layers)
    {
        var ranked = layers.OfType<AdaloraLayer>().ToList();
        if (!ranked.Any(layer => layer.IsPruned)) return this;
        return this with { RankPattern = ranked.ToDictionary(layer => PatternKey(layer.Target), layer => Merge(RankPattern?.GetValueOrDefault(PatternKey(layer.Target)), layer.KeptRanks())) };
    }

    // An adapter that was pruned before its file was read has kept some of what it had kept.
    private static IReadOnlyList<bool> Merge(IReadOnlyList<bool>? before, IReadOnlyList<bool> now)
    {
        if (before is null) return now;
        var next = 0;
        return [.. before.Select(kept => kept && now[next++])];
    }

    /// <summary>Rank of a layer: what the file says it has kept.</summary>
    internal int RankAt(Target target) => RankPattern?.GetValueOrDefault(PatternKey(target))?.Count(kept => kept) ?? InitialRank;

    private static string PatternKey(Target target) => $"{target.Path}.lora_E";

    /// <inheritdoc/>
    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        List<AdaloraLayer> layers = [.. targets.Select(target => new AdaloraLayer(target, this))];
        return (layers, new AdaloraBudget(this, layers));
    }
}
