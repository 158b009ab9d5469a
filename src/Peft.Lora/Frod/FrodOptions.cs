namespace Peft;

/// <summary>
/// FRoD (2026, doi:10.1609/aaai.v40i31.39813): W = U·diag(l)·Vᵀ, where modules of the same role share V. The vector l and a sparse matrix added to diag(l)
/// are trained, which gives a full-rank update. Mergeable.
/// </summary>
[MethodDescription("FRoD", "U·(diag(l) + S)·Vᵀ, S sparse, V shared", "2026, doi:10.1609/aaai.v40i31.39813")]
[LearningRate(1e-3)]
[WrittenIfSet("exclude_modules")]
[FanInFanOut]
public sealed record FrodOptions() : BiasedOptions("FROD")
{
    /// <summary>Fraction of the off-diagonal elements of the matrix between U and V that are trained.</summary>
    [JsonPropertyName("sparse_rate"), Between(0, 1)] public double SparseRate { get; init; } = 0.01;

    /// <summary>Value added to the diagonal of the matrices that are inverted to compute V.</summary>
    [JsonPropertyName("regularization_alpha"), AtLeast(0)] public double Regularization { get; init; } = 1e-3;

    /// <summary>Seed of the sparse elements' indices.</summary>
    [JsonPropertyName("projection_prng_key")] public int ProjectionSeed { get; init; }

    /// <summary>True to save V and the indices; otherwise they are recomputed on load.</summary>
    [JsonPropertyName("save_projection")] public bool SaveProjection { get; init; } = true;

    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("frod_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>True to initialize the adapter as a no-op; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    // Fields of Hugging Face PEFT's configuration that do not affect the result.
    [JsonInclude, JsonPropertyName("progressbar")] internal bool ShowsProgress { get; init; } = true;
    [JsonInclude, JsonPropertyName("runtime_offload_base_weight")] internal bool OffloadsBase { get; init; }

    protected override ModuleSelector? DefaultTargets(ModelTree model) => DefaultsFor(model, MethodTargets.Vera) ?? base.DefaultTargets(model);

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var shared = new FrodProjections(this, targets);
        return (targets.Select(target => new FrodLayer(target, this, shared)), shared);
    }
}
