namespace Peft;

/// <summary>
/// TinyLoRA (arXiv:2602.04118): W + B·R·A, with frozen B and A from the weight's SVD and R = Σ vᵢ·Pᵢ, a linear combination of random
/// matrices. Only the vector v is trained, separately for each layer or shared by several. Mergeable.
/// </summary>
[MethodDescription("TinyLoRA", "W + B·(Σ vᵢ·Pᵢ)·A, only v trained", "arXiv:2602.04118")]
[LearningRate(1e-3)]
[WrittenIfSet("exclude_modules")]
[FanInFanOut]
public sealed record TinyLoraOptions() : BiasedOptions("TINYLORA")
{
    /// <summary>Number of singular vectors. At least 1.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 2;

    /// <summary>Length of v.</summary>
    [JsonPropertyName("u"), AtLeast(1)] public int Size { get; init; } = 64;

    /// <summary>Degree of sharing v among layers: 0 for one v per layer, 1 for one v for all layers.</summary>
    [JsonPropertyName("weight_tying"), Between(0, 1)] public double WeightTying { get; init; }

    /// <summary>Seed of the random matrices.</summary>
    [JsonPropertyName("projection_seed")] public int ProjectionSeed { get; init; } = 42;

    /// <summary>True to save the random matrices; otherwise they are regenerated from the seed on load.</summary>
    [JsonPropertyName("save_projection")] public bool SaveProjection { get; init; } = true;

    /// <summary>Bound of the uniform initialization of v with <see cref="TinyLoraInitialization.Uniform"/>.</summary>
    [JsonPropertyName("init_v_bound")] public double Bound { get; init; } = 0.02;

    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("tinylora_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>Initialization of v.</summary>
    [JsonPropertyName("init_weights"), JsonConverter(typeof(FlagOrName<TinyLoraInitialization>))] public TinyLoraInitialization Initialization { get; init; }

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var vectors = new TinyLoraVectors(this, targets);
        return (targets.Select((target, i) => new TinyLoraLayer(target, this, vectors.Of(i), ProjectionSeed + i)), vectors);
    }
}
