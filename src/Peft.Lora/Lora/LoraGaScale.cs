namespace Peft;

/// <summary>Scaling of LoRA-GA's initial factors.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<LoraGaScale>))]
[TypeConverter(typeof(EnumNames<LoraGaScale>))]
public enum LoraGaScale
{
    /// <summary>B times out^¼/√γ, with <see cref="LoraGaOptions.StableGamma"/>.</summary>
    [JsonStringEnumMemberName("stable")] Stable,

    /// <summary>B so that its largest singular value is the weight's.</summary>
    [JsonStringEnumMemberName("weight_svd")] WeightSvd,

    /// <summary>A and B divided by the adapter's scaling.</summary>
    [JsonStringEnumMemberName("gd_scale")] GradientDescent,

    /// <summary>None.</summary>
    [JsonStringEnumMemberName("unit")] Unit,
}
