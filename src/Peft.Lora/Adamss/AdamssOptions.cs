namespace Peft;

/// <summary>
/// AdaMSS (Zheng et al. 2025, openreview:8ZdWmpYxT0): the rows of W are clustered into a few groups by their left singular vectors. Each group gets an update
/// Bᵢ·Aᵢ·V in the space of the right singular vectors V, which are saved with the adapter. Mergeable.
/// </summary>
[MethodDescription("AdaMSS", "W + [Bᵢ·Aᵢ·V]ᵢ for row groups i", "Zheng et al. 2025, openreview:8ZdWmpYxT0")]
[LearningRate(1e-3)]
[WrittenIfSet("exclude_modules")]
public sealed record AdamssOptions() : TargetedOptions("ADAMSS")
{
    /// <summary>Number r of singular vectors, capped at the smaller dimension of each weight.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 100;

    /// <summary>Number of row groups, each with its own update. Capped at the number of rows of each weight.</summary>
    [JsonPropertyName("num_subspaces"), AtLeast(1)] public int SubspaceCount { get; init; } = 5;

    /// <summary>Rank of each update.</summary>
    [JsonPropertyName("subspace_rank"), AtLeast(1)] public int SubspaceRank { get; init; } = 1;

    /// <summary><c>orthogonal</c> to initialize the adapter as a no-op; null for small random values.</summary>
    [JsonPropertyName("init_weights"), OneOf("orthogonal", null)] public string? Initialization { get; init; } = "orthogonal";

    /// <summary>
    /// True to lower a group's rank to the number of its singular values above <see cref="SvdThreshold"/>, if that is less than <see cref="SubspaceRank"/>.
    /// </summary>
    [JsonPropertyName("use_dynamic_rank")] public bool UseDynamicRank { get; init; }

    /// <summary>Minimum ratio of a squared singular value to the largest squared singular value for it to count.</summary>
    [JsonPropertyName("svd_threshold"), Probability] public double SvdThreshold { get; init; } = 0.1;

    /// <summary>Seed of the random projection that finds the singular vectors.</summary>
    [JsonPropertyName("random_seed")] public int RandomSeed { get; init; }

    /// <summary>True to freeze the least important subspaces during training (adaptive subspace allocation).</summary>
    [JsonPropertyName("use_asa")] public bool UseAsa { get; init; }

    /// <summary>Number of subspaces, over all modules, that stay trainable to the end.</summary>
    [JsonPropertyName("asa_target_subspaces"), AtLeast(1)] public int TargetSubspaces { get; init; } = 50;

    /// <summary>Training step after which subspaces may be frozen.</summary>
    [JsonPropertyName("init_warmup")] public int InitialSteps { get; init; } = 50;

    /// <summary>Training step at which only <see cref="TargetSubspaces"/> remain trainable.</summary>
    [JsonPropertyName("final_warmup")] public int FinalStep { get; init; } = 1000;

    /// <summary>Number of training steps between two selections.</summary>
    [JsonPropertyName("mask_interval"), AtLeast(1)] public int Interval { get; init; } = 100;

    /// <summary>Smoothing factor (EMA) of the importance, in [0, 1).</summary>
    [JsonPropertyName("asa_importance_beta"), Probability] public double ImportanceSmoothing { get; init; } = 0.85;

    /// <summary>Smoothing factor (EMA) of the uncertainty, in [0, 1).</summary>
    [JsonPropertyName("asa_uncertainty_beta"), Probability] public double UncertaintySmoothing { get; init; } = 0.85;

    /// <summary>
    /// Exponent of the schedule of the number of trainable subspaces: 1 decreases it linearly, larger values decrease it faster at the beginning.
    /// </summary>
    [JsonPropertyName("asa_schedule_exponent"), Above(0)] public double ScheduleExponent { get; init; } = 3;

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (InitialSteps < 0 || FinalStep <= InitialSteps) yield return $"InitialSteps must not be negative and FinalStep must come later, but they were {InitialSteps} and {FinalStep}.";
    }

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        if (!UseAsa) return (targets.Select(target => new AdamssLayer(target, this)), null);
        List<AdamssLayer> layers = [.. targets.Select(target => new AdamssLayer(target, this))];
        return (layers, new AdamssBudget(this, layers));
    }
}
