using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// PVeRA (arXiv:2512.07703): VeRA whose inner state is drawn from a normal distribution in training, with mean and deviation by shared random
/// projections; afterwards the mean counts. Merges.
/// </summary>
[MethodDescription("PVeRA", "W + diag(b)·B·z, z normal", "arXiv:2512.07703")]
[LearningRate(4e-3)]
[WrittenIfSet("exclude_modules")]
[SupportedModules(ModuleKinds.Linear | ModuleKinds.Embedding | ModuleKinds.Convolution)]
public sealed record PveraOptions() : BiasedUpdateOptions("PVERA")
{
    /// <summary>Rank of the shared projections. They are not trained, so that it may be large.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 256;

    /// <summary>Seed of the shared projections.</summary>
    [JsonPropertyName("projection_prng_key")] public int ProjectionKey { get; init; }

    /// <summary>Whether the file holds the projections; without them a reader draws them again from the seed.</summary>
    [JsonPropertyName("save_projection")] public bool SaveProjection { get; init; } = true;

    /// <summary>Share of each input's elements that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("pvera_dropout")] public double Dropout { get; init; }

    /// <summary>What d starts from.</summary>
    [JsonPropertyName("d_initial")] public double InitialD { get; init; } = 0.1;

    /// <summary>Whether the inner state is drawn outside of training too. The adapter's merge is its mean all the same.</summary>
    [JsonPropertyName("sample_at_inference")] public bool SampleAtInference { get; init; }

    /// <summary>Whether the adapter starts as none; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    // A seed of its own for the draws; here they follow the trainer's, so that a resumed run repeats them.
    [JsonInclude, JsonPropertyName("generator_seed")] internal int? GeneratorSeed { get; init; }

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors() => base.Errors().Concat(NumberErrors(Rank, Dropout));

    /// <inheritdoc/>
    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var shared = new SharedProjections("pvera", Rank * 2, Rank, ProjectionKey, SaveProjection, targets);
        return (targets.Select(target => new PveraLayer(target, this, shared)), shared);
    }
}
