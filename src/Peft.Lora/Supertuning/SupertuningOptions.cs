using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// Super-tuning (arXiv:2607.09287): W + S with a sparse S at the elements of the weight that are largest, optionally with a LoRA beside it. Merges.
/// </summary>
[MethodDescription("Super-tuning", "W + S, S at the largest elements", "arXiv:2607.09287")]
[LearningRate(1e-3)]
[WrittenIfSet("exclude_modules", "layers_to_transform", "layers_pattern")]
public sealed record SupertuningOptions() : WeightUpdateOptions("SUPERTUNING")
{
    /// <summary>Share of each weight that is left alone, between 0 and 1.</summary>
    [JsonPropertyName("sparsity")] public double Sparsity { get; init; } = 0.99;

    /// <summary>Whether the largest elements are trained; false for the smallest.</summary>
    [JsonPropertyName("select_top")] public bool TrainsLargest { get; init; } = true;

    /// <summary>Rank of a LoRA beside it; null for none.</summary>
    [JsonPropertyName("r")] public int? Rank { get; init; }

    /// <summary>Strength of the LoRA, divided by its rank; twice the rank if null.</summary>
    [JsonPropertyName("lora_alpha"), JsonConverter(typeof(NumberOrShare))] public double? Alpha { get; init; }

    /// <summary>Share of the LoRA's input that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("lora_dropout")] public double Dropout { get; init; }

    /// <summary>Whether the file holds the places of the elements; without them a reader finds them from the weight.</summary>
    [JsonPropertyName("save_precomputed_indices")] public bool SaveIndices { get; init; } = true;

    /// <summary>Whether the adapter starts as none; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <inheritdoc/>
    protected override bool WritesFanInFanOut => false;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors().Concat(NumberErrors(Rank ?? 1, Dropout, alpha: Alpha ?? 1))) yield return error;
        if (!(Sparsity is >= 0 and < 1)) yield return $"Sparsity must be at least 0 and below 1, but was {Sparsity}.";
    }

    /// <inheritdoc/>
    protected override AdapterLayer CreateLayer(Target target) => new SupertuningLayer(target, this);
}
