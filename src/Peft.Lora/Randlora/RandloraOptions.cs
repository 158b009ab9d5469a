using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// RandLoRA (Albert et al. 2025, arXiv:2502.00987): W + s·Σⱼ Bⱼ·Λⱼ·A·Γⱼ with random bases that all layers share and trained diagonal
/// matrices Λⱼ and Γⱼ: an update of full rank; s = alpha/r. Merges.
/// </summary>
[MethodDescription("RandLoRA", "W + s·Σⱼ Bⱼ·Λⱼ·A·Γⱼ, A and B random", "Albert et al. 2025, arXiv:2502.00987")]
[LearningRate(1e-4)]
[WrittenIfSet("exclude_modules")]
public sealed record RandloraOptions() : BiasedUpdateOptions("RANDLORA")
{
    /// <summary>Rank of each basis. The smaller, the more bases there are, and the more is trained.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 32;

    /// <summary>Strength of the update, divided by the rank.</summary>
    [JsonPropertyName("randlora_alpha"), JsonConverter(typeof(WholeOrFraction))] public double Alpha { get; init; } = 640;

    /// <summary>Seed of the bases.</summary>
    [JsonPropertyName("projection_prng_key")] public int ProjectionKey { get; init; }

    /// <summary>Whether the file holds the bases; without them a reader draws them again from the seed.</summary>
    [JsonPropertyName("save_projection")] public bool SaveProjection { get; init; } = true;

    /// <summary>Whether the bases hold -1, 0 and 1 only (before they are normalised), a third of them not 0.</summary>
    [JsonPropertyName("sparse")] public bool Sparse { get; init; }

    /// <summary>As <see cref="Sparse"/>, with one in √size not 0.</summary>
    [JsonPropertyName("very_sparse")] public bool VerySparse { get; init; }

    /// <summary>Share of each input's elements that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("randlora_dropout")] public double Dropout { get; init; }

    /// <summary>Whether the adapter starts as none (Λ is zero); false for a random Λ.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors() => base.Errors().Concat(NumberErrors(Rank, Dropout, alpha: Alpha));

    /// <inheritdoc/>
    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var shared = new RandloraBases(this, targets);
        return (targets.Select(target => new RandloraLayer(target, this, shared)), shared);
    }
}
