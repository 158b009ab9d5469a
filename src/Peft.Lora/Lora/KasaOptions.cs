using System.ComponentModel;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>
/// What makes LoRA KaSA (Wang et al. 2024, arXiv:2412.06071): the rank's smallest singular values of the weight are taken out of it, and the update
/// has trained singular values. As a file, <c>kasa_config</c>.
/// </summary>
/// <remarks>Hugging Face PEFT cuts the base weight itself, for good. Here it stays, and the adapter subtracts the part that is cut.</remarks>
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
