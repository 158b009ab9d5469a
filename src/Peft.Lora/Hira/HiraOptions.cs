using System.ComponentModel;
using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>How HiRA's factors start.</summary>
[TypeConverter(typeof(EnumNames<HiraInitialization>))]
public enum HiraInitialization
{
    /// <summary>A by Kaiming's rule, B zero: the adapter changes nothing until it is trained.</summary>
    [JsonStringEnumMemberName("true")] Default,

    /// <summary>Both random: for tests.</summary>
    [JsonStringEnumMemberName("false")] Random,

    /// <summary>A normal with deviation 1/r, B zero.</summary>
    [JsonStringEnumMemberName("gaussian")] Gaussian,
}

/// <summary>HiRA (Huang et al. 2025, openreview TwJrTz9cRS): W + W∘(B·A), an update of high rank from factors of low rank. Merges.</summary>
[MethodDescription("HiRA", "W + W∘(B·A)", "2025, openreview:TwJrTz9cRS")]
[LearningRate(4.5e-3)]
public sealed record HiraOptions() : WeightUpdateOptions("HIRA")
{
    /// <summary>Rank of the factor that multiplies the weight. At least 1.</summary>
    [JsonPropertyName("r")] public int Rank { get; init; } = 32;

    /// <summary>Share of each input's elements that training leaves out, 0 up to but not including 1.</summary>
    [JsonPropertyName("hira_dropout")] public double Dropout { get; init; }

    /// <summary>How A and B start.</summary>
    [JsonPropertyName("init_weights"), JsonConverter(typeof(FlagOrName<HiraInitialization>))] public HiraInitialization Initialization { get; init; }

    // A field of Hugging Face's file that has no effect there either.
    [JsonInclude, JsonPropertyName("rank_pattern")] internal IReadOnlyDictionary<string, int>? RankPattern { get; init; } = new Dictionary<string, int>();

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors() => base.Errors().Concat(NumberErrors(Rank, Dropout));

    /// <inheritdoc/>
    protected override AdapterLayer CreateLayer(Target target) => new HiraLayer(target, this);
}
