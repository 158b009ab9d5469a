namespace Peft;

/// <summary>
/// Uni-LoRA (Li et al. 2025, arXiv:2506.00799): LoRA in which one trained vector of a few hundred values fills the factors of all layers. Each value
/// is used at many random positions. Mergeable.
/// </summary>
[MethodDescription("Uni-LoRA", "W + s·B·A, all entries from one vector", "Li et al. 2025, arXiv:2506.00799")]
[LearningRate(5e-3)]
[WrittenIfSet("exclude_modules")]
[FanInFanOut]
public sealed record UniLoraOptions() : BiasedOptions("UNILORA")
{
    /// <summary>Rank of the update. At least 1.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 4;

    /// <summary>Length of the trained vector.</summary>
    [JsonPropertyName("theta_d_length"), AtLeast(1)] public int VectorLength { get; init; } = 256;

    /// <summary>Seed of the positions.</summary>
    [JsonPropertyName("proj_seed"), AtLeast(0)] public int Seed { get; init; } = 42;

    /// <summary>True to save the positions; otherwise they are regenerated from the seed on load.</summary>
    [JsonPropertyName("save_indices")] public bool SaveIndices { get; init; }

    /// <summary>Bound of the uniform initialization of the vector: values are within ± this bound.</summary>
    [JsonPropertyName("init_theta_d_bound")] public double Bound { get; init; } = 0.02;

    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("unilora_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>True for a uniform initialization within <see cref="Bound"/>; false for a normal one with standard deviation 1. Neither is a no-op.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var shared = new UniLoraVector(this, targets);
        return (targets.Select(target => new UniLoraLayer(target, this, shared)), shared);
    }
}
