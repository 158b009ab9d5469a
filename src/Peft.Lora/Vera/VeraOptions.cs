using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// VeRA (Kopiczko et al. 2023, arXiv:2310.11454): W + diag(b)·B·diag(d)·A with random A and B that all layers share; only the vectors
/// b <c>[out]</c> and d <c>[rank]</c> are trained. Merges.
/// </summary>
[MethodDescription("VeRA", "W + diag(b)·B·diag(d)·A, A and B random", "Kopiczko et al. 2023, arXiv:2310.11454")]
[LearningRate(4e-3)]
[WrittenIfSet("exclude_modules")]
public sealed record VeraOptions() : BiasedUpdateOptions("VERA")
{
    /// <summary>Rank of the shared projections. They are not trained, so that it may be large.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 256;

    /// <summary>Seed of the shared projections.</summary>
    [JsonPropertyName("projection_prng_key")] public int ProjectionKey { get; init; }

    /// <summary>Whether the file holds the projections; without them a reader draws them again from the seed.</summary>
    [JsonPropertyName("save_projection")] public bool SaveProjection { get; init; } = true;

    /// <summary>Share of each input's elements that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("vera_dropout")] public double Dropout { get; init; }

    /// <summary>What d starts from.</summary>
    [JsonPropertyName("d_initial")] public double InitialD { get; init; } = 0.1;

    /// <summary>Whether the adapter starts as none (b is zero); false for random vectors.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors() => base.Errors().Concat(NumberErrors(Rank, Dropout));

    /// <inheritdoc/>
    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var shared = new SharedProjections("vera", Rank, Rank, ProjectionKey, SaveProjection, targets);
        return (targets.Select(target => new VeraLayer(target, this, shared)), shared);
    }
}
