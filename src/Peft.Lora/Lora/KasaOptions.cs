namespace Peft;

/// <summary>
/// Settings of KaSA (Wang et al. 2024, arXiv:2412.06071): the smallest singular values of the weight, as many as the rank, are removed, and the update
/// has trained singular values. The field <c>kasa_config</c> in a file.
/// </summary>
/// <remarks>Hugging Face PEFT modifies the base weight permanently. Here the base weight does not change, and the adapter subtracts the removed part.</remarks>
[TypeConverter(typeof(TextConverter<KasaOptions>))]
public sealed record KasaOptions
{
    /// <summary>Weight of Σσ² in the training loss, over the trained singular values σ. At least 0.</summary>
    [JsonPropertyName("beta")] public double Beta { get; init; } = 1e-4;

    /// <summary>Weight of ‖BᵀB − I‖ + ‖AAᵀ − I‖ in the training loss. At least 0.</summary>
    [JsonPropertyName("gamma")] public double Gamma { get; init; } = 1e-3;

    internal IEnumerable<string> Errors()
    {
        if (!(Beta >= 0)) yield return $"{nameof(LoraOptions.Kasa)}.{nameof(Beta)} must be at least 0, but was {Beta}.";
        if (!(Gamma >= 0)) yield return $"{nameof(LoraOptions.Kasa)}.{nameof(Gamma)} must be at least 0, but was {Gamma}.";
    }
}
