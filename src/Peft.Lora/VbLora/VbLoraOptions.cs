namespace Peft;

/// <summary>
/// VB-LoRA (Li et al. 2024, arXiv:2405.15179): LoRA whose factors are composed of sub-vectors, each a mixture of a few vectors from a vector
/// bank that all layers share. Mergeable.
/// </summary>
[MethodDescription("VB-LoRA", "W + B·A, composed from a vector bank", "Li et al. 2024, arXiv:2405.15179")]
[LearningRate(1e-3)]
[FanInFanOut]
public sealed record VbLoraOptions() : BiasedOptions("VBLORA")
{
    /// <summary>Rank of the update. At least 1.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 4;

    /// <summary>Number of vectors in the bank.</summary>
    [JsonPropertyName("num_vectors")] public int Vectors { get; init; } = 256;

    /// <summary>Length of each vector. It must divide the input and output size of each target.</summary>
    [JsonPropertyName("vector_length"), AtLeast(1)] public int VectorLength { get; init; } = 256;

    /// <summary>Number of bank vectors in the mixture of each sub-vector.</summary>
    [JsonPropertyName("topk")] public int TopK { get; init; } = 2;

    /// <summary>
    /// True to save only the selected vectors' indices and weights. The file is much smaller, but the mixtures of an adapter loaded from it are frozen.
    /// </summary>
    [JsonPropertyName("save_only_topk_weights")] public bool SaveOnlyTopK { get; init; }

    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("vblora_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>Bound of the uniform initialization of the bank: values are within ± this bound.</summary>
    [JsonPropertyName("init_vector_bank_bound")] public double BankBound { get; init; } = 0.02;

    /// <summary>Standard deviation of the logits' initialization.</summary>
    [JsonPropertyName("init_logits_std")] public double LogitsDeviation { get; init; } = 0.1;

    protected override ModuleSelector? DefaultTargets(ModelTree model) => DefaultsFor(model, MethodTargets.VbLora) ?? base.DefaultTargets(model);

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (TopK < 1 || TopK > Vectors) yield return $"TopK must be between 1 and Vectors ({Vectors}), but was {TopK}.";
    }

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var bank = new VbLoraBank(this, targets[0]);
        return (targets.Select(target => new VbLoraLayer(target, this, bank)), bank);
    }
}
