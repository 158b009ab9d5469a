using System.ComponentModel;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>
/// What makes LoRA MonteCLoRA (Sengupta et al. 2024, arXiv:2411.04358): training adds noise to A whose size it learns, which makes the adapter less sensitive and
/// better calibrated. The trained adapter is a plain LoRA. As a file, <c>monteclora_config</c>.
/// </summary>
[TypeConverter(typeof(TextConverter<MontecloraOptions>))]
public sealed record MontecloraOptions
{
    /// <summary>Draws that Hugging Face PEFT makes in advance. Here each pass makes its own, and needs no memory for them.</summary>
    [JsonPropertyName("buffer_size")] public int BufferSize { get; init; } = 150;

    /// <summary>Concentration of the prior over the draws' shares: larger draws them together. Above 0.</summary>
    [JsonPropertyName("dirichlet_prior")] public double DirichletPrior { get; init; } = 0.1;

    /// <summary>Weight of the divergence from the priors in the training loss.</summary>
    [JsonPropertyName("kl_loss_weight")] public double DivergenceWeight { get; init; } = 1e-5;

    /// <summary>Draws per pass. At least 1.</summary>
    [JsonPropertyName("num_samples")] public int Samples { get; init; } = 8;

    /// <summary>Size of the noise.</summary>
    [JsonPropertyName("sample_scaler")] public double NoiseScale { get; init; } = 1e-4;

    /// <summary>Whether the sum of the squared shares is added to the training loss, so that no draw takes all.</summary>
    [JsonPropertyName("use_entropy")] public bool UseEntropy { get; init; }

    internal IEnumerable<string> Errors()
    {
        if (Samples < 1) yield return $"{nameof(LoraOptions.Monteclora)}.{nameof(Samples)} must be at least 1, but was {Samples}.";
        if (BufferSize < 1) yield return $"{nameof(LoraOptions.Monteclora)}.{nameof(BufferSize)} must be at least 1, but was {BufferSize}.";
        if (!(DirichletPrior > 0)) yield return $"{nameof(LoraOptions.Monteclora)}.{nameof(DirichletPrior)} must be above 0, but was {DirichletPrior}.";
    }
}
