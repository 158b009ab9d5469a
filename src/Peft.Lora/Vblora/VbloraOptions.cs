using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// VB-LoRA (Li et al. 2024, arXiv:2405.15179): LoRA whose factors are put together from pieces, each a mix of a few vectors of one bank
/// that all layers share. Merges.
/// </summary>
[MethodDescription("VB-LoRA", "W + B·A, put together from a bank of vectors", "Li et al. 2024, arXiv:2405.15179")]
[LearningRate(1e-3)]
public sealed record VbloraOptions() : BiasedUpdateOptions("VBLORA")
{
    /// <summary>Rank of the update. At least 1.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 4;

    /// <summary>Vectors in the bank.</summary>
    [JsonPropertyName("num_vectors")] public int Vectors { get; init; } = 256;

    /// <summary>Length of each vector; a divisor of each target's inputs and outputs.</summary>
    [JsonPropertyName("vector_length")] public int VectorLength { get; init; } = 256;

    /// <summary>Vectors that are mixed for a piece.</summary>
    [JsonPropertyName("topk")] public int TopK { get; init; } = 2;

    /// <summary>Whether the file holds only which vectors are mixed and with what weights: much smaller, but the mixes of an adapter that was loaded from it are fixed.</summary>
    [JsonPropertyName("save_only_topk_weights")] public bool SaveOnlyTopK { get; init; }

    /// <summary>Share of each input's elements that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("vblora_dropout")] public double Dropout { get; init; }

    /// <summary>The bank starts uniform between ± this.</summary>
    [JsonPropertyName("init_vector_bank_bound")] public double BankBound { get; init; } = 0.02;

    /// <summary>Deviation of the logits at the start.</summary>
    [JsonPropertyName("init_logits_std")] public double LogitsDeviation { get; init; } = 0.1;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors().Concat(NumberErrors(Rank, Dropout))) yield return error;
        if (VectorLength < 1) yield return $"VectorLength must be at least 1, but was {VectorLength}.";
        if (TopK < 1 || TopK > Vectors) yield return $"TopK must lie between 1 and Vectors ({Vectors}), but was {TopK}.";
    }

    /// <inheritdoc/>
    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var bank = new VbloraBank(this, targets[0]);
        return (targets.Select(target => new VbloraLayer(target, this, bank)), bank);
    }
}
