namespace Peft;

/// <summary>Weighting of the labels inside CPT's prompt.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CptLossWeights>))]
[TypeConverter(typeof(EnumNames<CptLossWeights>))]
public enum CptLossWeights
{
    /// <summary>All weights are equal.</summary>
    [JsonStringEnumMemberName("none")] None,

    /// <summary>Later answers get a larger weight, by powers of <see cref="CptOptions.DecayFactor"/>.</summary>
    [JsonStringEnumMemberName("decay")] Decay,
}
