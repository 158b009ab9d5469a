namespace Peft;

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
