namespace Peft;

/// <summary>
/// RandLoRA (Albert et al. 2025, arXiv:2502.00987): W + s·Σⱼ Bⱼ·Λⱼ·A·Γⱼ with random bases that all layers share and trained diagonal
/// matrices Λⱼ and Γⱼ, which gives a full-rank update; s = alpha/r. Mergeable.
/// </summary>
[MethodDescription("RandLoRA", "W + s·Σⱼ Bⱼ·Λⱼ·A·Γⱼ, A and B random", "Albert et al. 2025, arXiv:2502.00987")]
[LearningRate(1e-4)]
[WrittenIfSet("exclude_modules")]
[FanInFanOut]
public sealed record RandLoraOptions() : BiasedOptions("RANDLORA")
{
    /// <summary>Rank of each basis. A smaller rank gives more bases and more trainable parameters.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 32;

    /// <summary>Scaling numerator α; the update is scaled by α/rank.</summary>
    [JsonPropertyName("randlora_alpha"), JsonConverter(typeof(WholeOrFraction)), Finite] public double Alpha { get; init; } = 640;

    /// <summary>Seed of the bases.</summary>
    [JsonPropertyName("projection_prng_key")] public int ProjectionSeed { get; init; }

    /// <summary>True to save the bases; otherwise they are regenerated from the seed on load.</summary>
    [JsonPropertyName("save_projection")] public bool SaveProjection { get; init; } = true;

    /// <summary>True for bases that contain only −1, 0 and 1 before normalization, with one third of the elements nonzero.</summary>
    [JsonPropertyName("sparse")] public bool Sparse { get; init; }

    /// <summary>As <see cref="Sparse"/>, with a fraction of 1/√size of the elements nonzero.</summary>
    [JsonPropertyName("very_sparse")] public bool VerySparse { get; init; }

    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("randlora_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>True to initialize the adapter as a no-op (Λ is zero); false for a random Λ.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var shared = new RandLoraBases(this, targets);
        return (targets.Select(target => new RandLoraLayer(target, this, shared)), shared);
    }
}
