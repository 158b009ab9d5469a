namespace Peft;

/// <summary>
/// GraLoRA (Jung et al. 2025, arXiv:2505.20355): W + s·ΔW, where ΔW is a grid of k × k blocks of rank r/k each, plus an optional plain
/// LoRA; s = alpha/(r + hybrid rank). Mergeable.
/// </summary>
[MethodDescription("GraLoRA", "W + s·[Bᵢⱼ·Aᵢⱼ], a grid of blocks", "Jung et al. 2025, arXiv:2505.20355")]
[LearningRate(2e-4)]
[WrittenIfSet("exclude_modules")]
[FanInFanOut]
public sealed record GraloraOptions() : BiasedOptions("GRALORA")
{
    /// <summary>Rank of a row of blocks, a multiple of <see cref="Blocks"/>. The update has as many parameters as a LoRA of this rank.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 32;

    /// <summary>Rank of an additional plain LoRA; 0 for none.</summary>
    [JsonPropertyName("hybrid_r"), AtLeast(0)] public int HybridRank { get; init; }

    /// <summary>Scaling numerator α; the update is scaled by α/(r + hybrid rank).</summary>
    [JsonPropertyName("alpha"), JsonConverter(typeof(WholeOrFraction)), Finite] public double Alpha { get; init; } = 64;

    /// <summary>Number k of blocks per row and per column. It must divide the input and output size of each target.</summary>
    [JsonPropertyName("gralora_k")] public int Blocks { get; init; } = 2;

    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("gralora_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>True to initialize the adapter as a no-op (B is zero); false for random factors.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (Blocks < 1 || Rank % Blocks != 0) yield return $"Blocks must be at least 1 and divide Rank {Rank}, but was {Blocks}.";
    }

    protected override AdapterLayer CreateLayer(Target target) => new GraloraLayer(target, this);
}
