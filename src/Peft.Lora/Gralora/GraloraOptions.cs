using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>
/// GraLoRA (Jung et al. 2025, arXiv:2505.20355): W + s·ΔW, with ΔW a grid of k × k blocks of rank r/k each, and optionally a plain LoRA
/// beside it; s = alpha/(r + hybrid rank). Merges.
/// </summary>
[MethodDescription("GraLoRA", "W + s·[Bᵢⱼ·Aᵢⱼ], a grid of blocks", "Jung et al. 2025, arXiv:2505.20355")]
[LearningRate(2e-4)]
[WrittenIfSet("exclude_modules")]
public sealed record GraloraOptions() : BiasedUpdateOptions("GRALORA")
{
    /// <summary>Rank of a row of blocks, a multiple of <see cref="Blocks"/>. The update has as many parameters as a LoRA of this rank.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 32;

    /// <summary>Rank of a plain LoRA beside the grid; 0 for none.</summary>
    [JsonPropertyName("hybrid_r")] public int HybridRank { get; init; }

    /// <summary>Strength of the update.</summary>
    [JsonPropertyName("alpha"), JsonConverter(typeof(WholeOrFraction))] public double Alpha { get; init; } = 64;

    /// <summary>k, the blocks in a row and in a column; a divisor of each target's inputs and outputs.</summary>
    [JsonPropertyName("gralora_k")] public int Blocks { get; init; } = 2;

    /// <summary>Share of each input's elements that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("gralora_dropout")] public double Dropout { get; init; }

    /// <summary>Whether the adapter starts as none (B is zero); false for random factors.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors().Concat(NumberErrors(Rank, Dropout, alpha: Alpha))) yield return error;
        if (HybridRank < 0) yield return $"HybridRank must not be negative, but was {HybridRank}.";
        if (Blocks < 1 || Rank % Blocks != 0) yield return $"Blocks must be at least 1 and divide Rank {Rank}, but was {Blocks}.";
    }

    /// <inheritdoc/>
    protected override AdapterLayer CreateLayer(Target target) => new GraloraLayer(target, this);
}
