namespace Peft;

/// <summary>
/// GLoRA (Chavan et al. 2023, arXiv:2306.07967): W + W∘A + B for the weight and b + b∘D + E + W·C for the bias. The form of A to E is
/// configurable. Mergeable.
/// </summary>
[MethodDescription("GLoRA", "W + W∘A + B; b + b∘D + E + W·C", "Chavan et al. 2023, arXiv:2306.07967")]
[LearningRate(2e-4)]
[WrittenIfSet("exclude_modules", "layers_to_transform", "layers_pattern")]
public sealed record GloraOptions() : BiasedOptions("GLORA")
{
    /// <summary>Rank of the paths in the form <c>lora</c>. At least 1.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 8;

    /// <summary>Form of A and B: <c>lora</c>, <c>vector</c>, <c>constant</c> or <c>none</c>.</summary>
    [JsonPropertyName("config_A_B"), OneOf("lora", "vector", "constant", "none")] public string WeightForm { get; init; } = "lora";

    /// <summary>Form of C, for modules with a bias: <c>lora</c>, <c>vector</c> or <c>none</c>.</summary>
    [JsonPropertyName("config_C"), OneOf("lora", "vector", "none")] public string InputForm { get; init; } = "lora";

    /// <summary>Form of D and E, for modules with a bias: <c>vector</c>, <c>constant</c> or <c>none</c>.</summary>
    [JsonPropertyName("config_D_E"), OneOf("vector", "constant", "none")] public string BiasForm { get; init; } = "constant";

    /// <summary>True to initialize the adapter as a no-op; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected override AdapterLayer CreateLayer(Target target) => new GloraLayer(target, this);
}
