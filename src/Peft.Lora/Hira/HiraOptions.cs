namespace Peft;

/// <summary>Initialization of HiRA's factors.</summary>
[TypeConverter(typeof(EnumNames<HiraInitialization>))]
public enum HiraInitialization
{
    /// <summary>A Kaiming-uniform, B zero: the adapter starts as the identity.</summary>
    [JsonStringEnumMemberName("true")] Default,

    /// <summary>Both random, for tests.</summary>
    [JsonStringEnumMemberName("false")] Random,

    /// <summary>A normally distributed with standard deviation 1/r, B zero.</summary>
    [JsonStringEnumMemberName("gaussian")] Gaussian,
}

/// <summary>HiRA (Huang et al. 2025, openreview TwJrTz9cRS): W + W∘(B·A), a high-rank update from low-rank factors. Mergeable.</summary>
[MethodDescription("HiRA", "W + W∘(B·A)", "2025, openreview:TwJrTz9cRS")]
[LearningRate(4.5e-3)]
public sealed record HiraOptions() : WeightUpdateOptions("HIRA")
{
    /// <summary>Rank of B·A, by which the weight is multiplied elementwise. At least 1.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 32;

    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("hira_dropout")] public double Dropout { get; init; }

    /// <summary>Initialization of A and B.</summary>
    [JsonPropertyName("init_weights"), JsonConverter(typeof(FlagOrName<HiraInitialization>))] public HiraInitialization Initialization { get; init; }

    // A field of Hugging Face PEFT's configuration that has no effect there either.
    [JsonInclude, JsonPropertyName("rank_pattern")] internal IReadOnlyDictionary<string, int>? RankPattern { get; init; } = new Dictionary<string, int>();

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors() => base.Errors().Concat(NumberErrors(Rank, Dropout));

    /// <inheritdoc/>
    protected override AdapterLayer CreateLayer(Target target) => new HiraLayer(target, this);
}
