namespace Peft;

/// <summary>
/// Settings of Arrow (Ostapenko et al. 2024, arXiv:2405.11157), which routes each position to a few of several trained LoRA adapters, the experts. The field
/// <c>arrow_config</c> in a file.
/// </summary>
[TypeConverter(typeof(TextConverter<ArrowOptions>))]
public sealed record ArrowOptions
{
    /// <summary>Number of experts that are active at each position. At least 1.</summary>
    [JsonPropertyName("top_k")] public int TopExperts { get; init; } = 3;

    /// <summary>Softmax temperature, by which the similarities are divided. Above 0.</summary>
    [JsonPropertyName("router_temperature"), JsonConverter(typeof(WholeOrFraction))] public double Temperature { get; init; } = 1;

    /// <summary>
    /// True to subtract the mean factors of the <see cref="General"/> adapters from those of each expert (GenKnowSub, Bagherifard et al. 2025, doi:10.18653/v1/2025.acl-short.54).
    /// </summary>
    [JsonPropertyName("use_gks")] public bool SubtractsGeneral { get; init; }

    /// <summary>Names of the experts among the model's adapters.</summary>
    [JsonPropertyName("task_adapter_names")] public IReadOnlyList<string>? Experts { get; init; }

    /// <summary>Names of the adapters of general knowledge among the model's adapters, with <see cref="SubtractsGeneral"/>.</summary>
    [JsonPropertyName("gks_adapter_names")] public IReadOnlyList<string>? General { get; init; }

    /// <summary>
    /// Seed of the power iteration that approximates the experts' singular vectors in Hugging Face PEFT, to get the same values. If null, they are computed exactly; Hugging Face PEFT then draws from torch's generator.
    /// </summary>
    [JsonPropertyName("rng_seed")] public int? Seed { get; init; }

    internal IEnumerable<string> Errors()
    {
        const string own = nameof(LoraOptions.Arrow);
        if (TopExperts < 1) yield return $"{own}.{nameof(TopExperts)} must be at least 1, but was {TopExperts}.";
        if (!(Temperature > 0)) yield return $"{own}.{nameof(Temperature)} must be above 0, but was {Temperature}.";
        if (Experts is not { Count: > 0 }) yield return $"{own}.{nameof(Experts)} names no adapter: add experts to the model and name them, or use ApplyArrow.";
        else if (TopExperts > Experts.Count) yield return $"{own}.{nameof(TopExperts)} is {TopExperts}, but there are {Experts.Count} experts.";
        if (SubtractsGeneral && General is not { Count: > 0 }) yield return $"{own}.{nameof(General)} names no adapter, but {nameof(SubtractsGeneral)} is true: name adapters of general knowledge, or set it to false.";
    }
}
