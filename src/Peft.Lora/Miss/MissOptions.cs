namespace Peft;

/// <summary>
/// MiSS (Kang and Yin 2024, arXiv:2409.15371): W + ΔW, where ΔW repeats one trained shard <c>[r, out]</c> along the input: x·ΔWᵀ is the
/// sum of x's pieces of length r, times the shard. Mergeable.
/// </summary>
[MethodDescription("MiSS", "W + D, a shard repeated along the input", "Kang and Yin 2024, arXiv:2409.15371")]
[LearningRate(2e-4)]
public sealed record MissOptions() : BiasedOptions("MISS")
{
    /// <summary>Number of rows of the shard, which is the length of the input's pieces. At least 1.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 64;

    /// <summary>Number of outputs of the shard for <see cref="MissForm.Mini"/>. It must divide the output size of each target.</summary>
    [JsonPropertyName("mini_r"), AtLeast(1)] public int MiniRank { get; init; } = 1;

    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("miss_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>The variant and its initialization.</summary>
    [JsonPropertyName("init_weights"), JsonConverter(typeof(FlagOrName<MissForm>))] public MissForm Form { get; init; }

    protected override AdapterLayer CreateLayer(Target target) => Form == MissForm.Bat ? (AdapterLayer)new BatLayer(target, this) : new MissLayer(target, this);
}
