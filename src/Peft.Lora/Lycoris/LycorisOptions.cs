using System.Text.Json.Serialization;

namespace Peft;

/// <summary>What the options of LoHa and LoKr have in common.</summary>
public abstract record LycorisOptions : WeightUpdateOptions
{
    private protected LycorisOptions(string peftType) : base(peftType) { }

    /// <summary>Rank of the factors. At least 1.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 8;

    /// <summary>Strength of the update, divided by the rank.</summary>
    [JsonPropertyName("alpha"), JsonConverter(typeof(WholeOrFraction))] public double Alpha { get; init; } = 8;

    /// <summary>Share of the update's rows that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("rank_dropout")] public double RankDropout { get; init; }

    /// <summary>Share of the passes in which training leaves a module's update out, 0 up to but not including 1.</summary>
    [JsonPropertyName("module_dropout")] public double ModuleDropout { get; init; }

    /// <summary>Whether a convolution's kernel has a factor of its own (Tucker decomposition) instead of being a part of the input.</summary>
    [JsonPropertyName("use_effective_conv2d")] public bool UseEffectiveConv2d { get; init; }

    /// <summary>Ranks that differ from <see cref="Rank"/>, by the last parts of a module's path or a regular expression for them.</summary>
    [JsonPropertyName("rank_pattern")] public IReadOnlyDictionary<string, int>? RankPattern { get; init; } = new Dictionary<string, int>();

    /// <summary>Alphas that differ from <see cref="Alpha"/>, named like <see cref="RankPattern"/>.</summary>
    [JsonPropertyName("alpha_pattern"), JsonConverter(typeof(WholeOrFractionMap))] public IReadOnlyDictionary<string, double>? AlphaPattern { get; init; } = new Dictionary<string, double>();

    /// <inheritdoc/>
    protected sealed override bool WritesFanInFanOut => false;

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors().Concat(NumberErrors(Rank, RankDropout, RankPattern, Alpha))) yield return error;
        if (!(ModuleDropout is >= 0 and < 1)) yield return $"ModuleDropout must be at least 0 and below 1, but was {ModuleDropout}.";
    }
}
