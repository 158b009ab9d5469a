namespace Peft;

/// <summary>
/// GLoRA (Chavan et al. 2023, arXiv:2306.07967): W + W∘A + B for the weight and b + b∘D + E + W·C for the bias. The form of A to E is
/// configurable. Mergeable.
/// </summary>
[MethodDescription("GLoRA", "W + W∘A + B; b + b∘D + E + W·C", "Chavan et al. 2023, arXiv:2306.07967")]
[LearningRate(2e-4)]
[WrittenIfSet("exclude_modules", "layers_to_transform", "layers_pattern")]
public sealed record GloraOptions() : BiasedUpdateOptions("GLORA")
{
    /// <summary>Rank of the paths in the form <c>lora</c>. At least 1.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 8;

    /// <summary>Form of A and B: <c>lora</c>, <c>vector</c>, <c>constant</c> or <c>none</c>.</summary>
    [JsonPropertyName("config_A_B")] public string WeightForm { get; init; } = "lora";

    /// <summary>Form of C, for modules with a bias: <c>lora</c>, <c>vector</c> or <c>none</c>.</summary>
    [JsonPropertyName("config_C")] public string InputForm { get; init; } = "lora";

    /// <summary>Form of D and E, for modules with a bias: <c>vector</c>, <c>constant</c> or <c>none</c>.</summary>
    [JsonPropertyName("config_D_E")] public string BiasForm { get; init; } = "constant";

    /// <summary>True to initialize the adapter as a no-op; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <inheritdoc/>
    protected override bool WritesFanInFanOut => false;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors().Concat(NumberErrors(Rank))) yield return error;
        if (WeightForm is not ("lora" or "vector" or "constant" or "none")) yield return $"WeightForm must be 'lora', 'vector', 'constant' or 'none', but was '{WeightForm}'.";
        if (InputForm is not ("lora" or "vector" or "none")) yield return $"InputForm must be 'lora', 'vector' or 'none', but was '{InputForm}'.";
        if (BiasForm is not ("vector" or "constant" or "none")) yield return $"BiasForm must be 'vector', 'constant' or 'none', but was '{BiasForm}'.";
    }

    /// <inheritdoc/>
    protected override AdapterLayer CreateLayer(Target target) => new GloraLayer(target, this);
}
