namespace Peft;

/// <summary>
/// AdaMSS (Zheng et al. 2025, openreview:8ZdWmpYxT0): the rows of W are clustered into a few groups by their left singular vectors. Each group gets an update
/// Bᵢ·Aᵢ·V in the space of the right singular vectors V, which are saved with the adapter. Mergeable.
/// </summary>
[MethodDescription("AdaMSS", "W + [Bᵢ·Aᵢ·V]ᵢ for row groups i", "Zheng et al. 2025, openreview:8ZdWmpYxT0")]
[LearningRate(1e-3)]
[WrittenIfSet("exclude_modules")]
public sealed record AdamssOptions : WeightUpdateOptions
{
    /// <summary>The defaults.</summary>
    public AdamssOptions() : base("ADAMSS") { }

    /// <summary>Number r of singular vectors, capped at the smaller dimension of each weight.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 100;

    /// <summary>Number of row groups, each with its own update. Capped at the number of rows of each weight.</summary>
    [JsonPropertyName("num_subspaces")] public int SubspaceCount { get; init; } = 5;

    /// <summary>Rank of each update.</summary>
    [JsonPropertyName("subspace_rank")] public int SubspaceRank { get; init; } = 1;

    /// <summary><c>orthogonal</c> to initialize the adapter as a no-op; null for small random values.</summary>
    [JsonPropertyName("init_weights")] public string? Initialization { get; init; } = "orthogonal";

    /// <summary>
    /// True to lower a group's rank to the number of its singular values above <see cref="SvdThreshold"/>, if that is less than <see cref="SubspaceRank"/>.
    /// </summary>
    [JsonPropertyName("use_dynamic_rank")] public bool UseDynamicRank { get; init; }

    /// <summary>Minimum ratio of a squared singular value to the largest squared singular value for it to count.</summary>
    [JsonPropertyName("svd_threshold")] public double SvdThreshold { get; init; } = 0.1;

    /// <summary>Seed of the random projection that finds the singular vectors.</summary>
    [JsonPropertyName("random_seed")] public int RandomSeed { get; init; }

    /// <summary>True to freeze the least important subspaces during training (adaptive subspace allocation).</summary>
    [JsonPropertyName("use_asa")] public bool UseAsa { get; init; }

    /// <summary>Number of subspaces, over all modules, that stay trainable to the end.</summary>
    [JsonPropertyName("asa_target_subspaces")] public int TargetSubspaces { get; init; } = 50;

    /// <summary>Training step after which subspaces may be frozen.</summary>
    [JsonPropertyName("init_warmup")] public int InitialSteps { get; init; } = 50;

    /// <summary>Training step at which only <see cref="TargetSubspaces"/> remain trainable.</summary>
    [JsonPropertyName("final_warmup")] public int FinalStep { get; init; } = 1000;

    /// <summary>Number of training steps between two selections.</summary>
    [JsonPropertyName("mask_interval")] public int Interval { get; init; } = 100;

    /// <summary>Smoothing factor (EMA) of the importance, in [0, 1).</summary>
    [JsonPropertyName("asa_importance_beta")] public double ImportanceSmoothing { get; init; } = 0.85;

    /// <summary>Smoothing factor (EMA) of the uncertainty, in [0, 1).</summary>
    [JsonPropertyName("asa_uncertainty_beta")] public double UncertaintySmoothing { get; init; } = 0.85;

    /// <summary>
    /// Exponent of the schedule of the number of trainable subspaces: 1 decreases it linearly, larger values decrease it faster at the beginning.
    /// </summary>
    [JsonPropertyName("asa_schedule_exponent")] public double ScheduleExponent { get; init; } = 3;

    /// <inheritdoc/>
    protected override bool WritesFanInFanOut => false;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors().Concat(NumberErrors(Rank))) yield return error;
        if (SubspaceCount < 1) yield return $"SubspaceCount must be at least 1, but was {SubspaceCount}.";
        if (SubspaceRank < 1) yield return $"SubspaceRank must be at least 1, but was {SubspaceRank}.";
        if (Initialization is not (null or "orthogonal")) yield return $"Initialization must be 'orthogonal' or null, but was '{Initialization}'.";
        if (!(SvdThreshold is >= 0 and < 1)) yield return $"SvdThreshold must be at least 0 and below 1, but was {SvdThreshold}.";
        if (TargetSubspaces < 1) yield return $"TargetSubspaces must be at least 1, but was {TargetSubspaces}.";
        if (InitialSteps < 0 || FinalStep <= InitialSteps) yield return $"InitialSteps must not be negative and FinalStep must come later, but they were {InitialSteps} and {FinalStep}.";
        if (Interval < 1) yield return $"Interval must be at least 1, but was {Interval}.";
        if (!(ImportanceSmoothing is >= 0 and < 1)) yield return $"ImportanceSmoothing must be at least 0 and below 1, but was {ImportanceSmoothing}.";
        if (!(UncertaintySmoothing is >= 0 and < 1)) yield return $"UncertaintySmoothing must be at least 0 and below 1, but was {UncertaintySmoothing}.";
        if (!(ScheduleExponent > 0)) yield return $"ScheduleExponent must be above 0, but was {ScheduleExponent}.";
    }

    /// <inheritdoc/>
    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        if (!UseAsa) return (targets.Select(target => new AdamssLayer(target, this)), null);
        List<AdamssLayer> layers = [.. targets.Select(target => new AdamssLayer(target, this))];
        return (layers, new AdamssBudget(this, layers));
    }
}
