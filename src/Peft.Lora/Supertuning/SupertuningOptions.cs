namespace Peft;

/// <summary>
/// Super-tuning (arXiv:2607.09287): W + S with a sparse S at the weight's largest elements, plus an optional LoRA. Mergeable.
/// </summary>
[MethodDescription("Super-tuning", "W + S, S at the largest elements", "arXiv:2607.09287")]
[LearningRate(1e-3)]
[WrittenIfSet("exclude_modules", "layers_to_transform", "layers_pattern")]
public sealed record SupertuningOptions() : TargetedOptions("SUPERTUNING")
{
    /// <summary>Fraction of each weight's elements that are not trained, in [0, 1).</summary>
    [JsonPropertyName("sparsity"), Probability] public double Sparsity { get; init; } = 0.99;

    /// <summary>True to train the elements of largest magnitude; false for those of smallest magnitude.</summary>
    [JsonPropertyName("select_top")] public bool TrainsLargest { get; init; } = true;

    /// <summary>Rank of an additional LoRA; null for none.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int? Rank { get; init; }

    /// <summary>Scaling numerator α of the LoRA, which is scaled by α/rank. If null, twice the rank.</summary>
    [JsonPropertyName("lora_alpha"), JsonConverter(typeof(WholeOrFraction)), Finite] public double? Alpha { get; init; }

    /// <summary>Dropout probability of the LoRA's input during training, in [0, 1).</summary>
    [JsonPropertyName("lora_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>True to save the indices of the elements; otherwise they are recomputed from the base weight on load.</summary>
    [JsonPropertyName("save_precomputed_indices")] public bool SaveIndices { get; init; } = true;

    /// <summary>True to initialize the adapter as a no-op; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected override AdapterLayer CreateLayer(Target target) => new SupertuningLayer(target, this);
}
