namespace Peft;

/// <summary>HiRA (Huang et al. 2025, openreview TwJrTz9cRS): W + W∘(B·A), a high-rank update from low-rank factors. Mergeable.</summary>
[MethodDescription("HiRA", "W + W∘(B·A)", "2025, openreview:TwJrTz9cRS")]
[LearningRate(4.5e-3)]
[FanInFanOut]
public sealed record HiraOptions() : TargetedOptions("HIRA")
{
    /// <summary>Rank of B·A, by which the weight is multiplied elementwise. At least 1.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 32;

    /// <summary>Dropout probability of the layer's input during training, in [0, 1).</summary>
    [JsonPropertyName("hira_dropout"), Probability] public double Dropout { get; init; }

    /// <summary>Initialization of A and B.</summary>
    [JsonPropertyName("init_weights"), JsonConverter(typeof(FlagOrName<HiraInitialization>))] public HiraInitialization Initialization { get; init; }

    // A field of Hugging Face PEFT's configuration that has no effect there either.
    [JsonInclude, JsonPropertyName("rank_pattern")] internal IReadOnlyDictionary<string, int>? RankPattern { get; init; } = new Dictionary<string, int>();

    protected override AdapterLayer CreateLayer(Target target) => new HiraLayer(target, this);
}
