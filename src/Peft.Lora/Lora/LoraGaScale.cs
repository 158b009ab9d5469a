namespace Peft;

/// <summary>Scaling of LoRA-GA's initial factors.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<LoraGaScale>))]
[TypeConverter(typeof(EnumNames<LoraGaScale>))]
public enum LoraGaScale
{
    /// <summary>Multiplies B by out^¼/√γ, with <see cref="LoraGaOptions.StableGamma"/>.</summary>
    [JsonStringEnumMemberName("stable")] Stable,

    /// <summary>Scales B so that its largest singular value equals the weight's.</summary>
    [JsonStringEnumMemberName("weight_svd")] WeightSvd,

    /// <summary>Divides A and B by the adapter's scaling.</summary>
    [JsonStringEnumMemberName("gd_scale")] GradientDescent,

    /// <summary>No scaling.</summary>
    [JsonStringEnumMemberName("unit")] Unit,
}
