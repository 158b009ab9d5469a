namespace Peft;

/// <summary>HRA (Yuan et al. 2024, arXiv:2405.17484): a chain of trained Householder reflections transforms the inputs. Mergeable.</summary>
[MethodDescription("HRA", "W·∏(I − 2·u·uᵀ/‖u‖²)", "Yuan et al. 2024, arXiv:2405.17484")]
[LearningRate(1e-3)]
public sealed record HraOptions() : TargetedOptions("HRA")
{
    /// <summary>
    /// Number of reflections. An even number starts as pairs that cancel each other, a no-op; with an odd number the adapter changes the model's outputs before
    /// any training.
    /// </summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 8;

    /// <summary>
    /// True to orthogonalize the vectors by Gram-Schmidt, so that the reflections commute. Equal pairs cannot be orthogonal, so the adapter
    /// is then initialized randomly and changes the model's outputs before any training.
    /// </summary>
    [JsonPropertyName("apply_GS")] public bool Orthogonalize { get; init; }

    /// <summary>Biases of the model to train as well: <c>none</c>, <c>all</c>, or <c>hra_only</c> for those of the targets.</summary>
    [JsonPropertyName("bias")] public string Bias { get; init; } = "none";

    /// <summary>True to initialize the vectors as equal pairs (a no-op); false for random vectors.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (Rank < 1) yield return $"Rank must be at least 1, but was {Rank}.";
    }

    /// <inheritdoc/>
    protected override string BiasMode => Bias;

    /// <inheritdoc/>
    protected override AdapterLayer CreateLayer(Target target) => new HraLayer(target, this);
}
