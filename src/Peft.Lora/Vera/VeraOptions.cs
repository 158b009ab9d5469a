namespace Peft;

/// <summary>
/// VeRA (Kopiczko et al. 2023, arXiv:2310.11454): W + diag(b)·B·diag(d)·A with random A and B that all layers share. Only the vectors
/// b <c>[out]</c> and d <c>[rank]</c> are trained. Mergeable.
/// </summary>
[MethodDescription("VeRA", "W + diag(b)·B·diag(d)·A, A and B random", "Kopiczko et al. 2023, arXiv:2310.11454")]
[LearningRate(4e-3)]
[WrittenIfSet("exclude_modules")]
public sealed record VeraOptions() : SharedProjectionOptions("VERA")
{
    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("vera_dropout"), Probability] public double Dropout { get; init; }

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var shared = new SharedProjections("vera", Rank, Rank, ProjectionSeed, SaveProjection, targets);
        return (targets.Select(target => new VeraLayer(target, this, shared)), shared);
    }
}
