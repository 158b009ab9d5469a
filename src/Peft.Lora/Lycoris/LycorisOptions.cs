namespace Peft;

/// <summary>Options shared by LoHa and LoKr.</summary>
public abstract record LycorisOptions : TargetedOptions
{
    private protected LycorisOptions(string peftType) : base(peftType) { }

    /// <summary>Rank of the factors. At least 1.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 8;

    /// <summary>Scaling numerator α; the update is scaled by α/rank.</summary>
    [JsonPropertyName("alpha"), JsonConverter(typeof(WholeOrFraction)), Finite] public double Alpha { get; init; } = 8;

    /// <summary>Probability of dropping a row of the update during training, in [0, 1).</summary>
    [JsonPropertyName("rank_dropout"), Probability] public double RankDropout { get; init; }

    /// <summary>Probability of dropping a module's entire update in a forward pass during training, in [0, 1).</summary>
    [JsonPropertyName("module_dropout"), Probability] public double ModuleDropout { get; init; }

    /// <summary>True to give a convolution's kernel its own core tensor (Tucker decomposition) instead of flattening it into the input.</summary>
    [JsonPropertyName("use_effective_conv2d")] public bool UseEffectiveConv2d { get; init; }

    /// <summary>Ranks that override <see cref="Rank"/>. A key is the end of a module's path, or a regular expression that matches it.</summary>
    [JsonPropertyName("rank_pattern"), AtLeast(1)] public IReadOnlyDictionary<string, int>? RankPattern { get; init; } = new Dictionary<string, int>();

    /// <summary>Alphas that override <see cref="Alpha"/>, with keys as in <see cref="RankPattern"/>.</summary>
    [JsonPropertyName("alpha_pattern"), JsonConverter(typeof(WholeOrFractionMap))] public IReadOnlyDictionary<string, double>? AlphaPattern { get; init; } = new Dictionary<string, double>();
}
