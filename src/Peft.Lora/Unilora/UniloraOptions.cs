using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// Uni-LoRA (Li et al. 2025, arXiv:2506.00799): LoRA whose factors, of all layers together, are one trained vector of a few hundred numbers, each of which
/// stands at many random places. Merges.
/// </summary>
[MethodDescription("Uni-LoRA", "W + s·B·A, all entries from one vector", "Li et al. 2025, arXiv:2506.00799")]
[LearningRate(5e-3)]
[WrittenIfSet("exclude_modules")]
public sealed record UniloraOptions() : BiasedUpdateOptions("UNILORA")
{
    /// <summary>Rank of the update. At least 1.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 4;

    /// <summary>Length of the trained vector.</summary>
    [JsonPropertyName("theta_d_length")] public int Parameters { get; init; } = 256;

    /// <summary>Seed of the places.</summary>
    [JsonPropertyName("proj_seed")] public int Seed { get; init; } = 42;

    /// <summary>Whether the file holds the places; without them a reader draws them again from the seed.</summary>
    [JsonPropertyName("save_indices")] public bool SaveIndices { get; init; }

    /// <summary>The vector starts uniform between ± this.</summary>
    [JsonPropertyName("init_theta_d_bound")] public double Bound { get; init; } = 0.02;

    /// <summary>Share of each input's elements that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("unilora_dropout")] public double Dropout { get; init; }

    /// <summary>Whether the vector starts within <see cref="Bound"/>; false for a normal one with deviation 1. The adapter changes the model at once either way.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors().Concat(NumberErrors(Rank, Dropout))) yield return error;
        if (Parameters < 1) yield return $"Parameters must be at least 1, but was {Parameters}.";
        if (Seed < 0) yield return $"Seed must not be negative, but was {Seed}.";
    }

    /// <inheritdoc/>
    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var shared = new UniloraVector(this, targets);
        return (targets.Select(target => new UniloraLayer(target, this, shared)), shared);
    }
}
