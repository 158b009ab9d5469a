namespace Peft;

/// <summary>
/// VeRA (Kopiczko et al. 2023, arXiv:2310.11454): W + diag(b)·B·diag(d)·A with random A and B that all layers share. Only the vectors
/// b <c>[out]</c> and d <c>[rank]</c> are trained. Mergeable.
/// </summary>
[MethodDescription("VeRA", "W + diag(b)·B·diag(d)·A, A and B random", "Kopiczko et al. 2023, arXiv:2310.11454")]
[LearningRate(4e-3)]
[WrittenIfSet("exclude_modules")]
public sealed record VeraOptions() : BiasedUpdateOptions("VERA")
{
    /// <summary>Rank of the shared projections. They are frozen, so a large rank adds few trainable parameters.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 256;

    /// <summary>Seed of the shared projections.</summary>
    [JsonPropertyName("projection_prng_key")] public int ProjectionSeed { get; init; }

    /// <summary>True to save the projections; otherwise they are regenerated from the seed on load.</summary>
    [JsonPropertyName("save_projection")] public bool SaveProjection { get; init; } = true;

    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("vera_dropout")] public double Dropout { get; init; }

    /// <summary>Initial value of the elements of d.</summary>
    [JsonPropertyName("d_initial")] public double InitialD { get; init; } = 0.1;

    /// <summary>True to initialize the adapter as a no-op (b is zero); false for random vectors.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors() => base.Errors().Concat(NumberErrors(Rank, Dropout));

    /// <inheritdoc/>
    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var shared = new SharedProjections("vera", Rank, Rank, ProjectionSeed, SaveProjection, targets);
        return (targets.Select(target => new VeraLayer(target, this, shared)), shared);
    }
}
