namespace Peft;

/// <summary>HRA (Yuan et al. 2024, arXiv:2405.17484): a chain of trained Householder reflections transforms the inputs. Mergeable.</summary>
[MethodDescription("HRA", "W·∏(I − 2·u·uᵀ/‖u‖²)", "Yuan et al. 2024, arXiv:2405.17484")]
[LearningRate(1e-3)]
public sealed record HraOptions() : RotationOptions("HRA")
{
    /// <summary>
    /// Number of reflections. An even number is initialized to pairs that cancel each other, a no-op; with an odd number the adapter changes the model's outputs before
    /// any training.
    /// </summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 8;

    /// <summary>
    /// True to orthogonalize the vectors by Gram-Schmidt, so that the reflections commute. Equal pairs cannot be orthogonal, so the adapter
    /// is then initialized randomly and changes the model's outputs before any training.
    /// </summary>
    [JsonPropertyName("apply_GS")] public bool Orthogonalize { get; init; }

    protected override AdapterLayer CreateLayer(Target target) => new HraLayer(target, this);
}
