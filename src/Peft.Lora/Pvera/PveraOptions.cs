namespace Peft;

/// <summary>
/// PVeRA (arXiv:2512.07703): VeRA whose hidden state is sampled from a normal distribution in training, with mean and variance from shared random
/// projections. At inference, the mean is used. Mergeable.
/// </summary>
[MethodDescription("PVeRA", "W + diag(b)·B·z, z normal", "arXiv:2512.07703")]
[LearningRate(4e-3)]
[WrittenIfSet("exclude_modules")]
[SupportedModules(ModuleKinds.Linear | ModuleKinds.Embedding | ModuleKinds.Convolution)]
public sealed record PveraOptions() : SharedProjectionOptions("PVERA")
{
    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("pvera_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>True to sample the hidden state at inference too. Merging always uses the mean.</summary>
    [JsonPropertyName("sample_at_inference")] public bool SampleAtInference { get; init; }

    // A separate seed for sampling in Hugging Face PEFT. Here sampling uses the trainer's seed, so that a resumed run reproduces it.
    [JsonInclude, JsonPropertyName("generator_seed")] internal int? GeneratorSeed { get; init; }

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var shared = new SharedProjections("pvera", Rank * 2, Rank, ProjectionSeed, SaveProjection, targets);
        return (targets.Select(target => new PveraLayer(target, this, shared)), shared);
    }
}
