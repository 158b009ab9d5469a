using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// FRoD (2026, doi:10.1609/aaai.v40i31.39813): W = U·diag(l)·Vᵀ with a V that modules of one kind share; l and a sparse matrix beside diag(l) are trained,
/// an update of full rank. Merges.
/// </summary>
[MethodDescription("FRoD", "U·(diag(l) + S)·Vᵀ, S sparse, V shared", "2026, doi:10.1609/aaai.v40i31.39813")]
[LearningRate(1e-3)]
[WrittenIfSet("exclude_modules")]
public sealed record FrodOptions() : BiasedUpdateOptions("FROD")
{
    /// <summary>Share of the elements of the matrix between U and V that are trained beside its diagonal.</summary>
    [JsonPropertyName("sparse_rate")] public double SparseRate { get; init; } = 0.01;

    /// <summary>Added to the diagonal where matrices are inverted to find V.</summary>
    [JsonPropertyName("regularization_alpha")] public double Regularization { get; init; } = 1e-3;

    /// <summary>Seed of the sparse elements' places.</summary>
    [JsonPropertyName("projection_prng_key")] public int ProjectionKey { get; init; }

    /// <summary>Whether the file holds V and the places; without them a reader works them out again.</summary>
    [JsonPropertyName("save_projection")] public bool SaveProjection { get; init; } = true;

    /// <summary>Share of each input's elements that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("frod_dropout")] public double Dropout { get; init; }

    /// <summary>Whether the adapter starts as none; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    // Fields of Hugging Face's file that say how it computes, not what.
    [JsonInclude, JsonPropertyName("progressbar")] internal bool ShowsProgress { get; init; } = true;
    [JsonInclude, JsonPropertyName("runtime_offload_base_weight")] internal bool OffloadsBase { get; init; }

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors().Concat(NumberErrors(1, Dropout))) yield return error;
        if (!(SparseRate is >= 0 and <= 1)) yield return $"SparseRate must lie between 0 and 1, but was {SparseRate}.";
        if (!(Regularization >= 0)) yield return $"Regularization must not be negative, but was {Regularization}.";
    }

    /// <inheritdoc/>
    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var shared = new FrodProjections(this, targets);
        return (targets.Select(target => new FrodLayer(target, this, shared)), shared);
    }
}
