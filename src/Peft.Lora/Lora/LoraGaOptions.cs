using System.ComponentModel;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>Which singular vectors of the gradient LoRA-GA takes for A and B, of the 2·rank leading ones.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<LoraGaDirection>))]
[TypeConverter(typeof(EnumNames<LoraGaDirection>))]
public enum LoraGaDirection
{
    /// <summary>A the first, B those that follow.</summary>
    [JsonStringEnumMemberName("ArB2r")] FirstA,

    /// <summary>B the first, A those that follow.</summary>
    [JsonStringEnumMemberName("A2rBr")] FirstB,

    /// <summary>Alternately, B beginning.</summary>
    [JsonStringEnumMemberName("ArBr")] Alternating,

    /// <summary>The same random ones for both.</summary>
    [JsonStringEnumMemberName("random")] Random,
}

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

/// <summary>Settings of LoRA-GA (Wang et al. 2024, arXiv:2407.05000), the field <c>lora_ga_config</c> in a file.</summary>
[TypeConverter(typeof(TextConverter<LoraGaOptions>))]
public sealed record LoraGaOptions
{
    /// <summary>Which singular vectors of the gradient become A and B.</summary>
    [JsonPropertyName("direction")] public LoraGaDirection Direction { get; init; }

    /// <summary>Scaling of the factors.</summary>
    [JsonPropertyName("scale")] public LoraGaScale Scale { get; init; }

    /// <summary>γ of <see cref="LoraGaScale.Stable"/>. Above 0; larger values give smaller initial factors.</summary>
    [JsonPropertyName("stable_gamma"), JsonConverter(typeof(WholeOrFraction))] public double StableGamma { get; init; } = 16;

    internal IEnumerable<string> Errors()
    {
        if (!(StableGamma > 0) || double.IsInfinity(StableGamma)) yield return $"{nameof(LoraOptions.LoraGa)}.{nameof(StableGamma)} must be above 0, but was {StableGamma}.";
        if (!Enum.IsDefined(Direction)) yield return $"{nameof(LoraOptions.LoraGa)}.{nameof(Direction)} {Direction} does not exist.";
        if (!Enum.IsDefined(Scale)) yield return $"{nameof(LoraOptions.LoraGa)}.{nameof(Scale)} {Scale} does not exist.";
    }
}
